"""How many answers of all lessons were checked, how long the longest check took in milliseconds, and of which lesson.

python3 labs.py WARREN LABS
"""
import os
import shutil
import subprocess
import sys
import tempfile
import time

warren, labs = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
count, longest, slowest = 0, 0.0, "none"
with tempfile.TemporaryDirectory() as scratch:
    environment = dict(os.environ, XDG_STATE_HOME=scratch, WARREN_LABS=labs)
    for lesson in sorted(os.listdir(labs)):
        folder = os.path.join(labs, lesson)
        number = lesson.split("-")[0]
        if not os.path.exists(folder + "/lab.yaml"):
            continue
        work = os.path.join(scratch, number)
        subprocess.run([warren, "lab", "start", number, "--into", work], env=environment,
                       check=True, stdout=subprocess.DEVNULL)
        name = "definitions.json" if os.path.exists(folder + "/definitions.json") else "topology.yaml"
        kind = os.path.splitext(name)[1]
        answers = [folder + "/" + name, folder + "/answer" + kind]
        answers += [folder + "/wrong/" + wrong for wrong in sorted(os.listdir(folder + "/wrong"))]
        for answer in answers:
            shutil.copy(answer, os.path.join(work, name))
            begun = time.monotonic()
            subprocess.run([warren, "lab", "check", number], env=environment, stdout=subprocess.DEVNULL)
            took = (time.monotonic() - begun) * 1000
            count += 1
            if took > longest:
                longest, slowest = took, number
print(count, round(longest), slowest)

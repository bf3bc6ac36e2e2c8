"""Makes the page of a long run, opens it in Chromium, and prints what that took.

Usage: page.py WARREN TOPOLOGY FOLDER
Prints: facts seconds megabytes-of-memory megabytes-of-page ready-ms worst-step-ms frames-a-second; the last three are
missing where there is no Chromium.
"""
import json
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

DRIVER = """<script type="module">
while (!document.body.dataset.ready) await new Promise(done => setTimeout(done, 5));
const ready = performance.now(), steps = [];
for (const place of [0.5, 0.05, 0.9, 0.3]) {
  await player.toTime(run.end * place);
  for (let i = 0; i < 20; i++) {
    const start = performance.now();
    await player.step(i < 10 ? 1 : -1);
    steps.push(performance.now() - start);
  }
}
await player.toTime(run.end * 0.1);
player.play();
let frames = 0;
const start = performance.now();
await new Promise(done => { const frame = now => { frames++; now - start < 3000 ? requestAnimationFrame(frame) : done(); }; requestAnimationFrame(frame); });
document.title = `RESULT ${ready.toFixed(0)} ${Math.max(...steps).toFixed(1)} ${(frames / 3).toFixed(1)}`;
</script></body>"""

warren, topology, folder = sys.argv[1:4]
text = re.sub(r"count: \d+", "count: 80000", open(topology).read())
source, trace, page = (os.path.join(folder, name) for name in ("long.yaml", "long.sqlite", "long.html"))
open(source, "w").write(text)
if os.path.exists(trace):
    os.remove(trace)
recorded = subprocess.run([warren, "run", source, "--trace", trace], capture_output=True)
facts = subprocess.run([warren, "trace", "sql", "SELECT count(*) FROM facts", trace], capture_output=True, text=True)
before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
start = time.monotonic()
pid = os.posix_spawn(warren, [warren, "view", trace, "-o", page], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
_, _, used = os.wait4(pid, 0)
seconds = time.monotonic() - start
print(re.findall(r"\d+", facts.stdout)[-1], f"{seconds:.3f}", used.ru_maxrss / 1000, os.path.getsize(page) / 1e6, end="")

chromium = shutil.which("chromium")
if chromium:
    driven = os.path.join(folder, "driven.html")
    open(driven, "w").write(open(page).read().replace("</body>", DRIVER))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    profile = os.path.join(folder, "profile")
    browser = subprocess.Popen(
        [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1440,900", f"--user-data-dir={profile}",
         f"--remote-debugging-port={port}", "--remote-debugging-address=127.0.0.1", "file://" + driven],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(120):
            time.sleep(0.5)
            try:
                tabs = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=2))
            except OSError:
                continue
            titles = [tab["title"] for tab in tabs if tab["title"].startswith("RESULT")]
            if titles:
                print("", *titles[0].split()[1:], end="")
                break
    finally:
        browser.terminate()
        browser.wait()
        shutil.rmtree(profile, ignore_errors=True)
print()

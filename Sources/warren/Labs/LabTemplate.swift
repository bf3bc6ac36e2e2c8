/// The files of a lesson to begin with.
enum LabTemplate {
    static let files: [(path: String, text: String)] = [
        ("lab.yaml", lab), ("topology.yaml", topology("automatic")),
        ("answer.yaml", topology("after")), ("wrong/ack-before.yaml", topology("before")),
        ("checks.yaml", checks), ("README.md", readme),
    ]

    private static let lab = """
        title: {{title}}
        idea: The broker forgets a message when it is acknowledged.
        surprise: With automatic acknowledgement a worker that dies loses all that it had been sent.
        stands_on: []
        minutes: 10
        vary: [{ fault: 1, at: [100ms, 350ms], instance: [1, 3] }]
        pins:
          producers: the same jobs come to everybody
          consumers.worker.instances: the workers are as many as they are
          consumers.worker.service: the work takes as long as it takes
        witness: { somebody_died_at_work: "redelivered >= 1" }
        predict:
          question: How many jobs are lost when a worker is killed?
          a: none
          b: the one under way
          c: all that it had been sent
          right: c
        misconceptions:
          ack-before:
            when: { consumers.worker.ack: before }
            broken: [every_job_is_done]
            say: You said done before it was. The broker forgot all that you had answered for.
        hints:
          - Tell the life of the message that the check names. When did the broker stop caring?
          - Automatic means that sending settles a message.
          - "`ack: after`"

        """

    private static func topology(_ ack: String) -> String {
        """
        warren: 1
        name: a-lesson
        x-predict: "?"                             # a, b or c
        brokers: { main: { kind: rabbitmq, queues: { jobs: {} } } }
        producers:
          web: { to: jobs, arrivals: { law: poisson, rate: 300/s }, count: 60 }
        consumers:
          worker:
            from: jobs
            instances: 3
            prefetch: 4
            ack: \(ack)                         # yours
            service: { law: exponential, mean: 20ms }
            reconnect: 200ms

        """
    }

    private static let checks = """
        warren: 1
        name: a-lesson-checks
        include: [topology.yaml]
        network: { default: { latency: { law: lognormal, median: 1ms, p99: 5ms } } }
        faults: [{ at: 200ms, do: kill, client: worker, instance: 2, for: 200ms }]
        expect:
          always: { every_job_is_done: "handled" }
          measure: { sixty_jobs: "published == 60" }

        """

    private static let readme = """
        # {{number}} {{title}}

        **What you will know**: one sentence.

        ## The story
        Who works here, and what goes wrong; new words in **bold**, explained.

        ## Predict
        One question with three answers, of which one is what people believe.

        ## Run it
        ```console
        $ warren show topology.yaml
        …
        ```

        ## What happened
        What became of one message, told by `warren trace message`.

        ## Mend it
        Which lines are yours, and what has to hold.

        ## Check
        <!-- with answer -->
        ```console
        $ warren lab check {{number}}
        ✓ all 200 schedules keep every_job_is_done, sixty_jobs
        …
        ```

        ## In the real world
        The command by which the same is seen in production.

        ## Words
        - **acknowledge**: tell the broker that it may forget a message.

        ## Next
        What comes after it.

        """
}

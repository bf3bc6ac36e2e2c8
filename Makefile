# The three things that a newcomer types; each installs what it needs.

SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: quick demo test bench lint format deps deps-test deps-bench

# Builds in release mode and runs the order pipeline.
demo: deps
	swift build -c release --product warren
	.build/release/warren run Topologies/rabbitmq/order-pipeline.yaml --view order-pipeline.html

# Builds and passes all tests. They run in release mode: some simulate millions of messages. What is held with a real
# RabbitMQ comes last, when nothing else keeps the machine busy.
test: deps deps-test
	swift build -c release --build-tests
	WARREN_REAL=0 swift test -c release --skip-build
	swift test -c release --skip-build --filter RabbitMQModelTests --skip RandomSchedule
	swift test -c release --skip-build --filter JudgeTests
	swift test -c release --skip-build --filter WarrenGatewayTests

# For those who work here: builds in debug mode and runs every suite but the slow ones, in less than a minute.
quick: deps
	swift build --build-tests
	WARREN_QUICK=1 swift test --skip-build

# Prints the table of figures beside C++ and SimPy; about three minutes.
bench: deps deps-bench
	swift build -c release --product warren-bench
	swift build -c release --product warren
	.build/release/warren-bench

lint:
	swift format lint --strict --recursive Package.swift Sources Tests

format:
	swift format --in-place --recursive Package.swift Sources Tests

deps:
	@[ -f /usr/include/sqlite3.h ] && [ -f /usr/include/zlib.h ] || { $(SUDO) apt-get update -qq && \
	    $(SUDO) apt-get install -y -qq libsqlite3-dev zlib1g-dev; }

# A JSON Schema validator that is not ours, a browser that opens the pages, and the broker that judges the model; its
# package may want to start one by itself, which the tests have no use for.
deps-test:
	@[ -d /usr/lib/rabbitmq/lib ] || { $(SUDO) apt-get update -qq && \
	    $(SUDO) env RUNLEVEL=1 apt-get install -y -qq rabbitmq-server; }
	@/usr/bin/python3 -c 'import jsonschema, yaml' 2>/dev/null || { $(SUDO) apt-get update -qq && \
	    $(SUDO) apt-get install -y -qq python3 python3-jsonschema python3-yaml; }
	@command -v chromium >/dev/null || { $(SUDO) apt-get update -qq && \
	    $(SUDO) apt-get install -y -qq --no-install-recommends chromium; }

deps-bench:
	@[ -d /usr/lib/rabbitmq/lib ] && [ -f /usr/include/amqp.h ] || { $(SUDO) apt-get update -qq && \
	    $(SUDO) env RUNLEVEL=1 apt-get install -y -qq rabbitmq-server librabbitmq-dev; }
	@command -v chromium >/dev/null || { $(SUDO) apt-get update -qq && \
	    $(SUDO) apt-get install -y -qq --no-install-recommends chromium; }
	@command -v c++ valgrind /usr/bin/python3 >/dev/null && \
	    /usr/bin/python3 -c 'import simpy' 2>/dev/null || { $(SUDO) apt-get update -qq && \
	    $(SUDO) apt-get install -y -qq g++ valgrind python3 python3-simpy3; }

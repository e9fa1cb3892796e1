# The image of mig-ci: the static binary and nothing else. It is built before (see `.ci/lib.sh`, build_static_binary), so
# that no base image is needed. `bin` holds it, and the link `mig-ci-post`, by which the action cleans up after itself;
# a folder is copied with its links as they are, and a file on its own is not:
#
#   docker build --tag mig-ci --file Dockerfile FOLDER-WITH-BIN
#
# No USER and no WORKDIR: GitHub runs actions as root, and sets the folder (docs.github.com, "Dockerfile support for
# GitHub Actions").
FROM scratch
COPY bin/ /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/mig-ci"]

# kdpipe in a container.
#
#   docker build --tag kdpipe .                                  # for CPUs
#   docker build --tag kdpipe --build-arg TORCH=cu128 .          # for CUDA 12.8; uv's --torch-backend lists others
#   docker run --rm --interactive --tty --user "$(id -u):$(id -g)" --volume "$PWD:/project" kdpipe kdpipe init study
#   docker run --rm --user "$(id -u):$(id -g)" --gpus all --shm-size 8g --volume "$PWD:/project" \
#       --workdir /project/study kdpipe dvc repro
#
# The last command is for CUDA; leave out --gpus for CPUs. All results are in the folder that is mounted.

FROM python:3.11-slim
ARG TORCH=cpu

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && git config --system --add safe.directory '*'

WORKDIR /kdpipe
COPY pyproject.toml constraints.txt README.md LICENSE dvc.yaml .dvcignore ./
COPY .dvc/plots .dvc/plots
COPY pipelines pipelines
COPY kdpipe kdpipe
RUN pip install --no-cache-dir uv \
    && uv pip install --system --no-cache --torch-backend "$TORCH" --constraint constraints.txt '.[scale]'

# Any user may run it: what is kept between runs is in the project, the rest is not.
ENV HOME=/tmp
WORKDIR /project
CMD ["kdpipe", "--help"]

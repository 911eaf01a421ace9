# The book from nothing:
#   docker build -t schurkit --build-arg TORCH_ARGS="--index-url …" . && docker run --rm -v "$PWD/_build:/book/_build" schurkit
FROM python:3.11-slim-bookworm
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends git make && rm -rf /var/lib/apt/lists/*
WORKDIR /book
COPY . .
ARG TORCH_ARGS=""
RUN make .venv/.ready TORCH_ARGS="$TORCH_ARGS"
CMD ["make", "book"]

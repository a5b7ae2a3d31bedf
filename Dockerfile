# ssr-nas on the CPU. In a checkout:
#
#   docker build -t ssr-nas .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" ssr-nas search
FROM python:3.12-slim

ENV PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# PyTorch's CPU build, before anything asks for torch: the usual one brings 4 GB of CUDA libraries.
RUN pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu

WORKDIR /opt/ssr-nas
COPY pyproject.toml README.md LICENSE ./
COPY nas_space nas_space
COPY strategies strategies
COPY experiments experiments
RUN pip install '.[deploy]' && ssr-nas --version

# Whoever runs it has no home in the image, and no name.
ENV HOME=/tmp USER=ssr-nas
WORKDIR /work
ENTRYPOINT ["ssr-nas"]
CMD ["--help"]

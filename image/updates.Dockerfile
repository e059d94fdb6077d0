# Looks which updates an image lacks, with the sources and certificates that the image was built with. The role image
# builds this upon each image that it is asked about, reads the label, and throws it away.
ARG IMAGE
FROM ${IMAGE}
USER root
# Another value each time: what the cache says is what was pending then.
ARG LOOKED
RUN --mount=type=bind,source=image/site,target=/run/site \
    --mount=type=bind,source=image/setup,target=/run/setup \
    --mount=type=cache,target=/var/cache/apt,id=howdah-apt-cache,sharing=locked \
    --mount=type=cache,target=/var/lib/apt/lists,id=howdah-apt-lists,sharing=locked \
    : "$LOOKED"; set -eu; \
    mkdir -p /opt/container; \
    /run/setup/apt-install --site --pending > /tmp/pending; \
    python3 -I /run/setup/updates.py < /tmp/pending > /opt/container/updates.json

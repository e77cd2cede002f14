# The platform in one image: `docker build -t cinema .`, `docker run -p 8000:8000 cinema`. Any process of it is a
# command of the same image (`cinema gateway`, `cinema users`, `cinema etl --watch`); compose.yaml has them all.

FROM python:3.11-slim AS build
# For builders behind a registry or a certificate authority of their own; pip reads both from its environment.
ARG PIP_CERT
ARG PIP_INDEX_URL
WORKDIR /build
# Two environments: pip stays in the one that is left behind.
RUN python3 -m venv tools && python3 -m venv --without-pip /opt/cinema
ENV PIP="/build/tools/bin/python -m pip --python /opt/cinema/bin/python --disable-pip-version-check --no-cache-dir"
COPY requirements.lock ./
RUN $PIP install --no-deps --only-binary :all: --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN $PIP install --no-deps --no-build-isolation . && $PIP check
# Some wheels carry what only a debugger reads, 19 MB of it.
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends binutils > /dev/null \
    && find /opt/cinema -name '*.so' -exec strip --strip-debug {} +
# What built the package serves nobody, nor do sources, stubs and tests of compiled packages, Pygments' five hundred
# languages, and a decoder for pictures that are refused anyway.
RUN $PIP uninstall --yes --quiet hatchling pathspec pluggy tomlkit trove-classifiers \
    && cd /opt/cinema/lib/python3*/site-packages \
    && find . \( -name '*.pyx' -o -name '*.pxd' -o -name '*.pyi' -o -name '*.c' -o -name '*.h' \) -delete \
    && find . -type d -name tests -prune -exec rm -r {} + \
    && find pygments/lexers -type f ! -name '__init__*' ! -name '_mapping*' -delete \
    && rm -r alembic/testing sqlalchemy/testing sqlalchemy/dialects/mssql sqlalchemy/dialects/mysql \
        sqlalchemy/dialects/oracle PIL/_avif* pillow.libs/libavif*

FROM python:3.11-slim
RUN groupadd --gid 10001 cinema \
    && useradd --uid 10001 --gid 10001 --home-dir /srv/cinema --no-create-home --shell /usr/sbin/nologin cinema \
    && install -d -o 10001 -g 10001 /srv/cinema /srv/cinema/data
COPY --from=build /opt/cinema /opt/cinema
COPY --chmod=755 deploy/image/healthy.py /usr/local/bin/healthy
# Behind a published port nobody reaches loopback. The bytecode is there already; a read-only root takes no other.
ENV PATH=/opt/cinema/bin:$PATH HOME=/srv/cinema PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 GATEWAY_HOST=0.0.0.0
WORKDIR /srv/cinema
USER 10001:10001
# All that is ever written, but for short-lived files in /tmp.
VOLUME /srv/cinema/data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 CMD ["healthy"]
ENTRYPOINT ["cinema"]
CMD ["up"]

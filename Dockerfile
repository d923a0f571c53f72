# The whole installation in one image: `up` (the default), `serve`, `worker`, `migrate` and the rest of the commands.
FROM python:3.12-slim AS build
RUN python -m venv /opt/venv
WORKDIR /opt/provenance
COPY requirements/main.txt requirements/main.txt
RUN /opt/venv/bin/pip install --no-cache-dir --require-hashes -r requirements/main.txt
COPY . .
RUN /opt/venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation -e . \
    && /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash provenance provenance_client migrations

FROM python:3.12-slim
RUN useradd --system --uid 10001 --create-home provenance \
    && install --directory --owner=provenance --group=provenance --mode=0700 /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/provenance /opt/provenance
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PROVENANCE_DATA_DIR=/data \
    PROVENANCE_HOST=0.0.0.0
USER provenance
VOLUME /data
EXPOSE 7300
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7300/readyz', timeout=4)"]
ENTRYPOINT ["provenance"]
CMD ["up"]

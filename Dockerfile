# One image for every Setpoint service of docker-compose.yaml: Airflow's components, the set-up job, the lab.
FROM python:3.11-slim-bookworm AS build

# The locked packages change seldom and take the time, so they are a layer of their own.
WORKDIR /opt/setpoint
COPY requirements.lock ./
COPY scripts/uv.txt scripts/
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --require-hashes -r scripts/uv.txt \
 && VIRTUAL_ENV=/opt/venv /opt/venv/bin/uv pip install --no-cache --require-hashes --compile-bytecode -r requirements.lock

# The checkout itself, as `make setup` installs it: editable, so that one copy of the code is what runs.
COPY pyproject.toml README.md LICENSE ./
COPY include include
COPY plugins plugins
RUN /opt/venv/bin/pip install --no-deps --no-build-isolation --no-index --editable .


FROM python:3.11-slim-bookworm

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/opt/setpoint/include:/opt/setpoint/config \
    PYTHONUNBUFFERED=1 \
    AIRFLOW_HOME=/opt/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/setpoint/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/setpoint/plugins \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    GX_ANALYTICS_ENABLED=false

# Volumes take over owner and mode of the directory they are mounted on, so these exist in the image.
RUN useradd --uid 50000 --home-dir /opt/airflow --no-create-home --shell /usr/sbin/nologin setpoint \
 && install --directory --owner=setpoint --group=setpoint --mode=0700 \
      /opt/airflow /opt/airflow/logs /opt/airflow/auth /opt/airflow/setpoint /opt/airflow/nudge

WORKDIR /opt/setpoint
COPY --from=build /opt/venv /opt/venv
COPY pyproject.toml README.md LICENSE ./
COPY config config
COPY scripts/container scripts/container
COPY plugins plugins
COPY include include
COPY dags dags
# Nobody may write here when it runs, so the bytecode is made now.
RUN python -m compileall -q include plugins config dags scripts

USER setpoint
CMD ["airflow", "version"]

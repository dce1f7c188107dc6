# One image for all processes; the command selects the process (docker-compose.yml).
FROM node:22-slim AS assets
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts

FROM python:3.11-slim AS python
ENV PIP_NO_CACHE_DIR=1
WORKDIR /build
RUN python -m venv /venv && /venv/bin/pip install --quiet uv
COPY requirements.lock ./
RUN VIRTUAL_ENV=/venv /venv/bin/uv pip install --compile-bytecode --require-hashes -r requirements.lock

FROM python:3.11-slim
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    PRODUCTION=1 STATIC_ROOT=/app/staticfiles CRYPTOTRADE_VAR=/data
RUN useradd --system --uid 10001 --home /app cryptotrade && mkdir -m 700 /data /keys && chown cryptotrade /data /keys
WORKDIR /app
COPY --from=python /venv /venv
COPY --from=assets /build/node_modules node_modules
COPY . .
RUN SECRET_KEY=build JWT_SIGNING_KEY=build MFA_KEY=build python manage.py collectstatic --noinput --verbosity 0 \
 && python -m compileall -q accounts bots core cryptotrade market wallets
USER cryptotrade
VOLUME /data
EXPOSE 8000
CMD ["python", "manage.py", "web", "--host", "0.0.0.0"]

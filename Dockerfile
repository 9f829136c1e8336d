# Two stages on a glibc image: Temporal's native parts do not run on Alpine (musl).
# Everything that runs is started from the one image: api (default), worker, migrate, setup.

FROM node:20.20.2-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Nothing that is built or shipped needs a package's install script.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json tsconfig.exports.json ./
COPY scripts ./scripts
COPY src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts --no-audit --no-fund
# What is shipped: no development command, no simulated providers, no sources.
RUN mkdir /release \
 && cp -R dist node_modules package.json /release/ \
 && mkdir /release/scripts && cp scripts/worker-health.mjs /release/scripts/ \
 && rm -rf /release/dist/dev /release/dist/dev.js /release/dist/dev.js.map /release/dist/.tsbuildinfo

FROM node:20.20.2-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
# Owned by root and read by `node`: a process that is taken over cannot change its own code.
COPY --from=build /release ./
COPY deploy/entrypoint.sh /usr/local/bin/aftercommit
USER node
EXPOSE 3000
# Of the api. The worker has another one, which docker-compose.yml names.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["aftercommit", "health"]
ENTRYPOINT ["aftercommit"]
CMD ["api"]

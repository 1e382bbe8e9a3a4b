# Builds with everything, runs with what is needed and nothing else, as a user without rights.
FROM node:24-bookworm-slim AS build
WORKDIR /lethe
RUN apt-get update && apt-get install -y --no-install-recommends python3 make g++ && rm -rf /var/lib/apt/lists/*
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json main.ts ./
COPY scripts scripts
COPY schema schema
COPY src src
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /lethe
COPY --from=build /lethe/package.json ./
COPY --from=build /lethe/node_modules node_modules
COPY --from=build /lethe/dist dist
COPY --from=build /lethe/schema/migrations schema/migrations
RUN mkdir /data && chown node:node /data
USER node
# The volume holds the configuration (/data/config.yaml, optional) and, next to it, everything that the server keeps.
WORKDIR /data
VOLUME /data
EXPOSE 8008 8448
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8008/health').then((a) => process.exit(a.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/lethe/dist/main.js"]
CMD ["serve"]

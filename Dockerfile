# One image for both servers; docker-compose.yml and deploy/kubernetes say which of them a container runs.
# The Node.js is the one that package.json pins. With a digest: docs/production.md.
ARG NODE_IMAGE=node:24.21.0-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /portcullis
COPY . .
RUN npm ci --include=dev && npx turbo run build
# What runs needs no tools, and no Node.js beside the image's own.
RUN rm -rf node_modules \
  && npm ci --omit=dev --workspace apps/authorization-server --workspace apps/mcp-server --include-workspace-root=false \
  && node scripts/image/leave-out-tools.mjs \
  && rm -rf node_modules/node node_modules/.bin/node apps/*/src packages/*/src packages/testkit packages/test-database packages/benchmarks

FROM ${NODE_IMAGE}
ENV NODE_ENV=production
# Memory that was freed is found again: else each thread that hashes a password keeps what one hash takes.
ENV MALLOC_ARENA_MAX=2
WORKDIR /portcullis
COPY --from=build /portcullis/package.json ./
COPY --from=build /portcullis/node_modules ./node_modules
COPY --from=build /portcullis/prisma ./prisma
COPY --from=build /portcullis/packages ./packages
COPY --from=build /portcullis/apps ./apps
RUN install --directory --owner=node --group=node --mode=0700 /data
ENV PORTCULLIS_DATA_DIR=/data
VOLUME /data
USER node
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=6 \
  CMD ["node", "--eval", "fetch('http://127.0.0.1:4000/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "apps/authorization-server/dist/main.js"]

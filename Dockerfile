# One image for both servers; docker-compose.yml says which of them a container runs.
FROM node:24-bookworm-slim AS build
WORKDIR /portcullis
COPY . .
RUN npm ci --include=dev && npx turbo run build
# What runs needs no tools, and no Node.js beside the image's own.
RUN rm -rf node_modules \
  && npm ci --omit=dev --workspace apps/authorization-server --workspace apps/mcp-server --include-workspace-root=false \
  && rm -rf node_modules/node node_modules/.bin/node apps/*/src packages/*/src packages/testkit packages/test-database

FROM node:24-bookworm-slim
ENV NODE_ENV=production
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
CMD ["node", "apps/authorization-server/dist/main.js"]

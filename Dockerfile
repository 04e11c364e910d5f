# A worker (and the whole command line). Debian, not Alpine: Temporal's native part has no build for musl.
FROM node:24-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
# No install scripts: the only one that matters would fetch a second Node.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN node tools/build.ts \
 && npm prune --omit=dev --ignore-scripts --no-audit --no-fund \
 # Native parts for other systems: 113 MB.
 && cd node_modules/@temporalio/core-bridge/releases \
 && keep="$(uname -m)-unknown-linux-gnu" \
 && for dir in *; do [ "$dir" = "$keep" ] || rm -rf "$dir"; done

FROM node:24-bookworm-slim
# Without them every TLS connection fails as a bare transport error.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=build /src/package.json /src/LICENSE ./
COPY --from=build /src/node_modules ./node_modules
COPY --from=build /src/dist ./dist
RUN ln -s /app/dist/client/cli/main.js /usr/local/bin/ndi-courier \
 && mkdir -p /var/lib/ndi-courier /datasets \
 && chown node:node /var/lib/ndi-courier /datasets
ENV NODE_ENV=production COURIER_HOME=/var/lib/ndi-courier
USER node
VOLUME ["/var/lib/ndi-courier"]
ENTRYPOINT ["ndi-courier"]
CMD ["worker"]

# syntax=docker/dockerfile:1

ARG GO_VERSION=1.26.8

# The build runs on the builder's own platform and cross-compiles for the target's.
FROM --platform=${BUILDPLATFORM} golang:${GO_VERSION} AS build
WORKDIR /src
ENV CGO_ENABLED=0

# Modules change less often than code, so that they have a layer of their own.
RUN --mount=type=bind,target=/src \
    --mount=type=cache,target=/go/pkg/mod \
    go mod download

ARG TARGETOS
ARG TARGETARCH
ARG VERSION=unknown
RUN --mount=type=bind,target=/src \
    --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    GOOS=${TARGETOS} GOARCH=${TARGETARCH} go build -trimpath -buildvcs=false -tags=grpcnotrace -ldflags="-s -w -X main.version=${VERSION}" -o /function .

# Nothing but the binary: no shell, no package manager, no root.
FROM gcr.io/distroless/static-debian12:nonroot AS image
COPY --from=build /function /function
EXPOSE 9443
USER 65532:65532
ENTRYPOINT ["/function"]

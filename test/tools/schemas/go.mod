// Of these modules only the CustomResourceDefinitions in them are read: the examples are
// held against them. Nothing is built.
module github.com/dittofs/function-dittoserver/test/tools/schemas

go 1.26.0

require (
	github.com/cert-manager/cert-manager v1.21.2
	github.com/external-secrets/external-secrets v1.3.2
	github.com/fluxcd/kustomize-controller v1.9.1
	github.com/prometheus-operator/prometheus-operator v0.94.1
	sigs.k8s.io/gateway-api v1.5.1
)

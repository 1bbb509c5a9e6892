package v1alpha1

import (
	"iter"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Bounds of a DittoServer's spec, and of the function's input. The XRDs and the function
// refuse what exceeds them, so that one DittoServer cannot take the function's time and
// memory from all others.
//
// Each is far above anything that can run, and must stay so. Before Kubernetes 1.30 the
// API server validates a whole object at every update: with a tighter schema, nobody could
// even remove a finalizer of an object that is stored already.
const (
	// MaxItems of a list. The longest lists that make sense are of addresses, of which cloud
	// providers take some 5000 in a rule, and of nodes, of which a cluster has 5000.
	MaxItems = 8000

	// MaxEntries of a map. Labels, annotations and resources of one object are some dozens.
	MaxEntries = 1024

	// MaxKeyLength of a key of a map, in characters. Kubernetes takes no longer names of
	// labels, annotations and resources: a domain of 253 characters, a slash, and 63.
	MaxKeyLength = validation.DNS1123SubdomainMaxLength + len("/") + validation.LabelValueMaxLength

	// MaxTextLength of a text, in characters, unless it is one of TextBounds. The longest are
	// paths, of which Linux takes 4096 bytes (PATH_MAX).
	MaxTextLength = 4096

	// MaxPathLength of an extra volume's path, and of a file's in it, in characters. Linux takes
	// 4096 bytes for both together (PATH_MAX).
	MaxPathLength = 1024

	// MaxQuantityLength of a quantity, in characters. 63 bits take 19 digits, and units down
	// to nano 9 more. To parse one takes time that grows with the square of its length.
	MaxQuantityLength = 64

	// MaxDNLength of a distinguished name or a URL of a directory, in characters. Active Directory
	// takes no name of more than 255 in all.
	MaxDNLength = 1024

	// MaxRealmLength of a realm or of the name of an attribute, in characters: realms are named
	// like DNS domains.
	MaxRealmLength = validation.DNS1123SubdomainMaxLength

	// MaxKrb5ConfLength of a krb5.conf, in characters. One of a dozen realms has some 2000.
	MaxKrb5ConfLength = 8192

	// MaxValues of a spec or an input in all: objects, lists, and what is in them. A request
	// has each up to three and a half times: in the spec, in what was asked or is live, and in
	// managed fields. It may have 32768 values.
	MaxValues = 8192

	// MaxSize of all texts and keys of a spec or an input together, in bytes. etcd stores
	// objects of up to 1.5 MiB, and an Object has the pod in its spec and in its status.
	MaxSize = 512 * 1024

	// MaxDepth is how deep objects and lists may be nested. No field is deeper than 11.
	MaxDepth = 32
)

// A TextBound is the bound of a text that may be shorter or longer than others.
//
// +kubebuilder:object:generate=false
type TextBound struct {
	// Path of the text in the schema. The items of a list are at [], and the values of a map
	// at {}.
	Path string

	// Max is how many characters the text may have.
	Max int
}

// textBounds in the order of the reference.
//
//nolint:gochecknoglobals // A table.
var textBounds = []TextBound{
	{"spec.cache.size", MaxQuantityLength},
	{"spec.extraEnv[].valueFrom.resourceFieldRef.divisor", MaxQuantityLength},
	{"spec.extraVolumes[].downwardAPI.items[].resourceFieldRef.divisor", MaxQuantityLength},
	{"spec.resources.limits{}", MaxQuantityLength},
	{"spec.resources.requests{}", MaxQuantityLength},
	{"spec.storage.cacheSize", MaxQuantityLength},
	{"spec.storage.contentSize", MaxQuantityLength},
	{"spec.storage.controlPlaneSize", MaxQuantityLength},
	{"spec.storage.metadataSize", MaxQuantityLength},

	// DNS subdomains have no more.
	{"spec.api.tls.clientCASecretRef.name", validation.DNS1123SubdomainMaxLength},
	{"spec.api.tls.secretRef.name", validation.DNS1123SubdomainMaxLength},
	{"spec.database.postgres.caSecretRef.name", validation.DNS1123SubdomainMaxLength},
	{"spec.database.postgres.secretRef.name", validation.DNS1123SubdomainMaxLength},
	{"spec.extraVolumes[].configMap.name", validation.DNS1123SubdomainMaxLength},
	{"spec.extraVolumes[].secret.secretName", validation.DNS1123SubdomainMaxLength},
	{"spec.identity.admin.passwordSecretRef.name", validation.DNS1123SubdomainMaxLength},
	{"spec.identity.jwt.secretRef.name", validation.DNS1123SubdomainMaxLength},
	{"spec.identity.kerberos.keytabSecretRef.name", validation.DNS1123SubdomainMaxLength},
	{"spec.identity.kerberos.machineAccount.onlineJoin.bindPasswordSecretRef.name", validation.DNS1123SubdomainMaxLength},
	{"spec.identity.kerberos.machineAccount.onlineJoin.caSecretRef.name", validation.DNS1123SubdomainMaxLength},
	{"spec.identity.kerberos.machineAccount.passwordSecretRef.name", validation.DNS1123SubdomainMaxLength},
	{"spec.identity.ldap.bindPasswordSecretRef.name", validation.DNS1123SubdomainMaxLength},
	{"spec.identity.ldap.caSecretRef.name", validation.DNS1123SubdomainMaxLength},
	{"spec.metrics.tls.clientCASecretRef.name", validation.DNS1123SubdomainMaxLength},
	{"spec.metrics.tls.secretRef.name", validation.DNS1123SubdomainMaxLength},
	{"spec.metrics.tokenSecretRef.name", validation.DNS1123SubdomainMaxLength},

	{"spec.extraVolumes[].configMap.items[].path", MaxPathLength},
	{"spec.extraVolumes[].downwardAPI.items[].path", MaxPathLength},
	{"spec.extraVolumes[].mountPath", MaxPathLength},
	{"spec.extraVolumes[].secret.items[].path", MaxPathLength},

	// A message has the REST call that sets them: all of it must fit.
	{"spec.identity.kerberos.dnsDomain", MaxRealmLength},
	{"spec.identity.kerberos.machineAccount.dcAddress", MaxDNLength},
	{"spec.identity.kerberos.machineAccount.onlineJoin.baseDN", MaxDNLength},
	{"spec.identity.kerberos.machineAccount.onlineJoin.bindDN", MaxDNLength},
	{"spec.identity.kerberos.machineAccount.onlineJoin.dnsHostName", MaxRealmLength},
	{"spec.identity.kerberos.machineAccount.onlineJoin.ldapURL", MaxDNLength},
	{"spec.identity.kerberos.machineAccount.onlineJoin.ou", MaxDNLength},
	{"spec.identity.kerberos.machineAccount.onlineJoin.servicePrincipals[]", MaxDNLength},
	{"spec.identity.kerberos.realm", MaxRealmLength},
	{"spec.identity.kerberos.servicePrincipal", MaxDNLength},
	{"spec.identity.ldap.baseDN", MaxDNLength},
	{"spec.identity.ldap.bindDN", MaxDNLength},
	{"spec.identity.ldap.url", MaxDNLength},
	{"spec.identity.ldap.userAttribute", MaxRealmLength},
	{"spec.identity.ldap.realm", MaxRealmLength},

	// The pod template has it, and it is parsed on every call.
	{"spec.identity.kerberos.krb5Conf", MaxKrb5ConfLength},

	// Linux starts no process with a longer environment variable (MAX_ARG_STRLEN).
	{"spec.extraEnv[].value", 128 * 1024},

	{"input.policy.resources.max{}", MaxQuantityLength},
	{"input.policy.storage.maxSize", MaxQuantityLength},

	// Kubernetes takes no more of all annotations of an object.
	{"spec.podAnnotations{}", 256 * 1024},
	{"spec.service.annotations{}", 256 * 1024},
	{"spec.service.api.annotations{}", 256 * 1024},
	{"spec.service.file.annotations{}", 256 * 1024},
}

// TextBounds returns the bounds of texts that are not MaxTextLength.
func TextBounds() iter.Seq[TextBound] { return slices.Values(textBounds) }

// TextBoundAt returns how many characters a text at a path of the schema may have.
func TextBoundAt(path string) int {
	for _, b := range textBounds {
		if b.Path == path {
			return b.Max
		}
	}

	return MaxTextLength
}

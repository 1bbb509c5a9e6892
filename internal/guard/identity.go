package guard

import (
	"fmt"
	"slices"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
	"github.com/dittofs/function-dittoserver/internal/secret"
)

// The server copies the settings of an identity provider into its database when it first starts
// with them, and goes by its database from then on. Nobody can see from here what it has there, so
// the ConfigMap notes what it must have got.

// unknown is noted of a provider of which the database may have anything: the server had it and has
// it no more, or nothing is noted of a server that started before.
const unknown = "removed"

// absent is noted of a part that its identity provider came without. The server takes one that is added
// at its next start.
const absent = "absent"

// A Provider is the state of an identity provider.
type Provider struct {
	Name dittofs.IdentityProvider

	// Desired is a digest of the desired settings that count once, absent for a part that the spec
	// does not have, or "" where it has no such provider. Body is that of the REST call by which the
	// server goes by what the spec says.
	Desired, Body string

	// Seeded is a digest of the settings that the server is taken to have in its database, or "" if
	// it never had any.
	Seeded string
}

// IsUnknown reports whether nobody knows what the server has in its database, or whether it is turned
// off there.
func (p *Provider) IsUnknown() bool { return p.Seeded == unknown }

// readProviders reads the identity providers that the spec has or had.
func (st *State) readProviders(s *composite.DittoServer, o observed.Resources) {
	identity, note := s.Identity(), manifest.Seeded(o.Asked(manifest.ConfigMap))
	st.LastAcknowledged = note.Acknowledged

	isLost := st.StatefulSet.Asked != nil && !st.ConfigMap.Observed
	if isLost {
		// The present annotation acknowledged something before.
		st.LastAcknowledged = manifest.Digest(st.Acknowledged)
	}

	for _, name := range dittofs.IdentityProviders() {
		p := Provider{Name: name, Body: identity.Body(name), Seeded: note.Of[name]}

		once := identity.Once(name)
		if once != "" {
			p.Desired = manifest.Digest(once)
		}

		if once == "" && p.Body != "" {
			p.Desired = absent
		}

		switch hadIt := isLost && name.Whole().IsIn(st.StatefulSet.Asked.Pod.Config); {
		case hadIt, p.Desired != "" && (isLost || p.Seeded == "" && st.startsOnDatabase()):
			p.Seeded = unknown
		case p.Desired == "" && p.Seeded == "":
			continue
		}

		st.Providers = append(st.Providers, p)
	}
}

// startsOnDatabase reports whether the server first starts on a volume that may have the database of
// an earlier one.
func (st *State) startsOnDatabase() bool {
	return st.StatefulSet.Asked == nil && st.Record == nil && st.Claims[dittofs.VolumeControlPlane].Live != nil
}

// seed decides which settings of identity providers the ConfigMap notes, and which may not be in
// effect.
func (d *Decision) seed(st State) {
	// Until the live template is the desired one, pods refer to settings that are gone from the spec.
	d.KeepsSeeds = d.Template != TemplateDesired || st.StatefulSet.Asked != nil && st.StatefulSet.liveTemplate() != st.StatefulSet.Desired.Pod.Template

	// As soon as a pod template goes out, a pod may start with it.
	goesOut := d.Template == TemplateDesired && !d.LeaveOut && !d.Paused

	// A change that comes again, of this server or of another one, is another change.
	change, isChanged := []string{st.Server, st.LastAcknowledged}, false

	for _, p := range st.Providers {
		if p.isChanged() {
			change, isChanged = append(change, string(p.Name), p.Seeded, p.Desired), true
		}
	}

	acknowledge := manifest.Digest(change...)
	isMade := isChanged && st.Acknowledged == acknowledge

	d.Seeded.Acknowledged = st.LastAcknowledged
	if isMade {
		d.Seeded.Acknowledged = acknowledge
	}

	for _, p := range st.Providers {
		seeded := p.Seeded

		switch {
		case p.isChanged() && !isMade:
			d.NotInEffect, d.Acknowledge = append(d.NotInEffect, p), acknowledge
		case p.isChanged(), p.Desired != "" && goesOut:
			seeded = p.Desired
		case p.Desired == "" && goesOut:
			seeded = unknown
		}

		if seeded != "" {
			d.Seeded.Of[p.Name] = seeded
		}
	}
}

// isChanged reports whether the desired settings are others than the server is taken to have.
func (p *Provider) isChanged() bool {
	return p.Desired != "" && p.Seeded != "" && p.Seeded != absent && p.Desired != p.Seeded
}

// readKeytab reads what is known of the keytab that the asked pod template mounts. Where nothing is known of
// it, pods start or do not start as before.
func (st *State) readKeytab(s *composite.DittoServer, secrets secret.Secrets, o observed.Resources) {
	if st.StatefulSet.Asked == nil {
		return
	}

	asked, isThere := manifest.FileOf(st.StatefulSet.Asked.SecretVolumes, composite.RoleKeytab)
	if !isThere {
		return
	}

	isNamed := slices.ContainsFunc(s.Secrets(), func(k composite.SecretKey) bool {
		return asked == composite.SecretFile{Role: k.Role, Name: k.Ref.Name, Key: k.Ref.Key}
	})
	if !isNamed {
		st.UnreadKeytab = fmt.Sprintf("%s/%s, key %s", s.Namespace, asked.Name, asked.Key)
	}

	if !isNamed || secrets.State == secret.NotFetched {
		st.MustNotStart = st.ConfigMap.Observed && !manifest.LetsStart(o.Asked(manifest.ConfigMap))
		return
	}

	st.MustNotStart = slices.Contains(secrets.Unreadable, asked)
}

// providerDangers tells the identity providers that a pod has and the desired one has not: the
// server keeps them in its database.
func providerDangers(desired, before Pod) []string {
	var dangers []string

	for _, p := range dittofs.IdentityProviders() {
		if p.IsIn(before.Config) && !p.IsIn(desired.Config) {
			dangers = append(dangers, fmt.Sprintf("%s is removed and the server keeps it in its database: send it PUT %s with %s first", p.Field(), p.Endpoint(), dittofs.Off))
		}
	}

	return dangers
}

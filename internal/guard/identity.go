package guard

import (
	"fmt"

	"github.com/dittofs/function-dittoserver/internal/composite"
	"github.com/dittofs/function-dittoserver/internal/dittofs"
	"github.com/dittofs/function-dittoserver/internal/manifest"
	"github.com/dittofs/function-dittoserver/internal/observed"
)

// The server copies the settings of an identity provider into its database when it first starts
// with them, and goes by its database from then on. Nobody can see from here what it has there, so
// the ConfigMap notes what it must have got.

// removed is noted of a provider that the server had and has no more: what the database has of it
// is not known then.
const removed = "removed"

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

func readProviders(s *composite.DittoServer, o observed.Resources) []Provider {
	identity, seeded := s.Identity(), manifest.Seeded(o.Asked(manifest.ConfigMap))

	var providers []Provider

	for _, name := range dittofs.IdentityProviders() {
		p := Provider{Name: name, Body: identity.Body(name), Seeded: seeded[name]}

		once := identity.Once(name)
		if once != "" {
			p.Desired = manifest.Digest(once)
		}

		if once == "" && p.Body != "" {
			p.Desired = absent
		}

		if p.Desired != "" || p.Seeded != "" {
			providers = append(providers, p)
		}
	}

	return providers
}

// seed decides which settings of identity providers the ConfigMap notes, and which may not be in
// effect.
func (d *Decision) seed(st State) {
	// As soon as a pod template goes out, a pod may start with it.
	goesOut := d.Template == TemplateDesired && !d.LeaveOut && !d.Paused

	changed := []string{}
	for _, p := range st.Providers {
		if p.isChanged() {
			changed = append(changed, string(p.Name), p.Seeded, p.Desired)
		}
	}

	change := manifest.Digest(changed...)
	isMade := len(changed) > 0 && st.Acknowledged == change

	for _, p := range st.Providers {
		seeded := p.Seeded

		switch {
		case p.isChanged() && !isMade:
			d.NotInEffect, d.Acknowledge = append(d.NotInEffect, p), change
		case p.isChanged(), p.Desired != "" && goesOut:
			seeded = p.Desired
		case p.Desired == "" && goesOut:
			seeded = removed
		}

		if seeded != "" {
			d.Seeded[p.Name] = seeded
		}
	}
}

// isChanged reports whether the desired settings are others than the server is taken to have.
func (p *Provider) isChanged() bool {
	return p.Desired != "" && p.Seeded != "" && p.Seeded != absent && p.Desired != p.Seeded
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

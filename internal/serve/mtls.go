package serve

import (
	"net"

	"github.com/crossplane/function-sdk-go"
	"google.golang.org/grpc/credentials"
)

// MTLSCertificates is the SDK's option of that name, except that it reads the certificates
// for each connection, not once: a renewed certificate and another authority take effect
// without a restart. An authority that is gone is trusted by connections that are already
// open, which end within connectionAge.
func MTLSCertificates(dir string) function.ServeOption {
	return func(o *function.ServeOptions) error {
		if err := function.MTLSCertificates(dir)(o); err != nil || dir == "" {
			return err
		}

		o.Credentials = reloaded{TransportCredentials: o.Credentials, dir: dir}

		return nil
	}
}

// reloaded are the credentials in a folder, as they are when a connection is made.
type reloaded struct {
	credentials.TransportCredentials

	dir string
}

// ServerHandshake reads the credentials, and does their handshake. Crossplane tries again
// if that fails because the kubelet replaces the files between two reads.
func (r reloaded) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	now := &function.ServeOptions{}
	if err := function.MTLSCertificates(r.dir)(now); err != nil {
		return nil, nil, err
	}

	return now.Credentials.ServerHandshake(conn)
}

// Clone returns a copy.
func (r reloaded) Clone() credentials.TransportCredentials { return r }

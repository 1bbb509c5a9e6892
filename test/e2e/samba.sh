#!/bin/sh
# Runs a domain controller of the Active Directory domain EXAMPLE (example.org) from Debian's packages:
#
#   unshare --mount samba.sh DIR ADDRESS [ROOT]
#
# ROOT is where the packages are: a folder that dpkg -x made, or nothing for this machine. Samba looks for the paths that it was
# built with, which a mount shows it; all that it writes is in DIR, which has tls.crt, tls.key and ca.crt already. It listens at
# ADDRESS only. krb5.keytab is that of a member server, FILES$, and krb5.conf is for clients.
set -eu

dir=$1
address=$2
root=${3:-}

[ -z "$root" ] || mount -t overlay overlay -o "lowerdir=$root/usr:/usr" /usr

samba-tool domain provision --targetdir="$dir" --realm=EXAMPLE.ORG --domain=EXAMPLE --host-name=dc1 --host-ip="$address" --server-role=dc --dns-backend=SAMBA_INTERNAL \
	--use-rfc2307 --adminpass=Example-Administrator1 --option="interfaces=$address" --option="bind interfaces only=yes"

conf=$dir/etc/smb.conf
sed -i "/^\[global\]/a\\
	server services = -dnsupdate\\
	pid directory = $dir\\
	ncalrpc dir = $dir/ncalrpc\\
	log file = $dir/log\\
	tls certfile = $dir/tls.crt\\
	tls keyfile = $dir/tls.key\\
	tls cafile = $dir/ca.crt" "$conf"

tool() { samba-tool "$@" --configfile="$conf" -H "$dir/private/sam.ldb"; }
tool user create alice Example-User1 --uid-number=4001 --gid-number=5000
tool user create bob Example-User1 --uid-number=4002 --gid-number=5000
tool group add editors --gid-number=5001 --nis-domain=example
tool group addmembers editors alice
tool user create dittofs Example-Bind1
tool computer create FILES
tool user setpassword 'FILES$' --newpassword=Example-Machine1

for name in nfs cifs; do
	samba-tool spn add --configfile="$conf" "$name/files.example.org" 'FILES$'
	samba-tool domain exportkeytab --configfile="$conf" --principal="$name/files.example.org" "$dir/krb5.keytab"
done

cat >"$dir/krb5.conf" <<CONF
[libdefaults]
  default_realm = EXAMPLE.ORG
  dns_lookup_kdc = false
  dns_canonicalize_hostname = false
  udp_preference_limit = 1
[realms]
  EXAMPLE.ORG = {
    kdc = $address
  }
CONF

exec samba --foreground --no-process-group --configfile="$conf"

#!/bin/sh
# Assembles the root file system of a PostgreSQL server from Debian's packages (postgresql-15
# and postgresql-client-15), for an image that is made without a container engine:
#
#   postgres.sh TARGET [ROOT]
#   image --push=REGISTRY/library/postgres:stack --add=TARGET=/ --entrypoint=/bin/serve --user=999:999
#
# ROOT is where the packages are: a folder that dpkg -x made, or nothing for this machine.
# Libraries that are not in it are this machine's.
set -eu

target=$1
root=${2:-}

server=$(ls -d "$root"/usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1)
bin=$(dirname "${server#"$root"}")
version=$(basename "$(dirname "$bin")")
lib=/usr/lib/postgresql/$version/lib
share=/usr/share/postgresql/$version

rm -rf "$target"
mkdir -p "$target/bin" "$target/etc" "$target/usr/lib" "$target$bin" "$target$lib" "$target$share"

# The server asks for the paths that it was built with. plpgsql and the dictionary are
# what initdb loads.
for file in postgres initdb psql; do cp -L "$root$bin/$file" "$target$bin/"; done
for file in plpgsql.so dict_snowball.so; do cp -L "$root$lib/$file" "$target$lib/"; done
for file in "$root$share"/*; do
	case $file in */man | */contrib) ;; *) cp -LR "$file" "$target$share/" ;; esac
done
cp -L /bin/sh "$target/bin/sh"
mkdir -p "$target/usr/share/zoneinfo" # Time zones are looked for. GMT is built in.

# The loader finds everything in /usr/lib, without a cache, on every architecture.
libraries=$(echo "$root"/usr/lib/*-linux-gnu "$root"/lib/*-linux-gnu | tr ' ' ':')
needed=$(LD_LIBRARY_PATH=$libraries ldd "$target$bin"/* "$target$lib"/* "$target/bin/sh")
case $needed in *"not found"*)
	echo "$needed" | grep "not found" | sort -u >&2
	exit 1
	;;
esac
echo "$needed" | sed -n 's|^[^/]*=> \(/[^ ]*\) .*|\1|p' | sort -u | while read -r file; do cp -L "$file" "$target/usr/lib/"; done
interpreter=$(ldd /bin/sh | sed -n 's|^[[:space:]]*\(/[^ ]*\) .*|\1|p')
mkdir -p "$target$(dirname "$interpreter")"
cp -L "$interpreter" "$target$interpreter"

echo 'postgres:x:999:999::/data:/bin/sh' >"$target/etc/passwd"
echo 'postgres:x:999:' >"$target/etc/group"

# The image runs this, with more settings as arguments. Everything is in /data, which outlives
# the container. Over the network each user needs a password; the socket is for who is postgres
# in the pod.
cat >"$target/bin/serve" <<SERVE
#!/bin/sh
set -eu

PATH=$bin:/bin
export TZ=GMT
cluster=/data/cluster

if [ ! -e \$cluster/made ]; then
	initdb --pgdata=\$cluster --username=postgres --auth-local=peer --auth-host=scram-sha-256 --encoding=UTF8 --locale=C
	echo 'host all all all scram-sha-256' >>\$cluster/pg_hba.conf
	postgres --single -D \$cluster postgres <<SQL
CREATE ROLE "\$POSTGRES_USER" LOGIN PASSWORD '\$POSTGRES_PASSWORD'
CREATE DATABASE "\$POSTGRES_DB" OWNER "\$POSTGRES_USER"
SQL
	echo >\$cluster/made
fi

exec postgres -D \$cluster -c listen_addresses='*' -c unix_socket_directories=/data "\$@"
SERVE
chmod 755 "$target/bin/serve"

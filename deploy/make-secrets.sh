#!/bin/sh
# Makes the files in .secrets/ that docker-compose.yml mounts: `sh deploy/make-secrets.sh`. A file that is there stays
# as it is, so it may run twice.
set -eu
cd "$(dirname "$0")/.."

random() {
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

# Compose mounts each file with its own owner and mode, and the containers run under several users: so the files can
# be read by all, and the folder keeps this machine's other users out.
umask 022
mkdir -p .secrets
chmod 700 .secrets
echo '*' >.secrets/.gitignore

secret() {
    [ -e ".secrets/$1" ] && return
    printf '%s' "$2" >".secrets/$1"
    echo "made .secrets/$1"
}

secret postgres_password "$(random)"
secret temporal_password "$(random)"
secret database_url "postgresql://expiry:$(random)@postgresql:5432/expiry"
secret api_keys "$(random)"
secret unsubscribe_secret "$(random)"
# Empty until there is something to write into them.
secret smtp_password ""
secret telegram_bot_token ""

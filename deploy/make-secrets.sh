#!/bin/sh
# Makes the files in .secrets/ that docker-compose.yml mounts: `sh deploy/make-secrets.sh`. It keeps existing files, so
# it is safe to run twice.
set -eu
cd "$(dirname "$0")/.."

random() {
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

# Compose mounts each file with its owner and mode, and the containers run as several users. So everybody can read the
# files, and the folder keeps out this machine's other users.
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
# Empty until you write a secret into them.
secret smtp_password ""
secret telegram_bot_token ""
secret telegram_proxy ""

#!/bin/sh
# Pins the images of docker-compose.yml that are not ours: `sh deploy/pin-images.sh`. It pulls them and writes
# compose.pinned.yaml, which names each by its tag and its digest. A tag can move, a digest cannot. Then write this line
# into .env:  COMPOSE_FILE=docker-compose.yml:compose.pinned.yaml
set -eu
cd "$(dirname "$0")/.."

file=docker-compose.yml
pinned=compose.pinned.yaml

# One line for each service that names an image of somebody else: the service and the image.
images() {
    awk '/^services:/ { inside = 1; next }
         /^[^ #]/     { inside = 0 }
         inside && /^  [a-z-]+:$/  { service = substr($1, 1, length($1) - 1) }
         inside && /^    image: /  { print service, $2 }' "$file"
}

{
    echo "# Written by deploy/pin-images.sh on $(date -u +%Y-%m-%d). After a change of a tag, run it again."
    echo "services:"
} >"$pinned.new"
images | while read -r service image; do
    docker pull --quiet "$image" >/dev/null
    digest=$(docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$image" |
        sed -n 's/.*@\(sha256:[0-9a-f]\{64\}\)$/\1/p' | head -n 1)
    if [ -z "$digest" ]; then
        echo "pin-images: Docker names no digest for $image" >&2
        exit 1
    fi
    printf '  %s:\n    image: %s@%s\n' "$service" "$image" "$digest" >>"$pinned.new"
    echo "$image@$digest"
done
mv "$pinned.new" "$pinned"
echo "wrote $pinned"

#!/usr/bin/env bash
# Pushes an image to a repository of ECR, from a workflow: signs in with the workflow's own identity, keeps no password.
#   push-image.sh IMAGE REPOSITORY TAG
set -Eeuo pipefail
rc=0
trap 'rc=$?; printf "matrx-push: line %s ended with %s\n" "$LINENO" "$rc" >&2; exit "$rc"' ERR

fail() {
  printf 'matrx-push: %s\n' "$*" >&2
  exit 1
}

[ "$#" -eq 3 ] || fail "it takes an image, a repository and a tag."
image=$1 repository=$2 tag=$3
[[ $repository =~ ^[a-z0-9.-]+(:[0-9]+)?/[a-z0-9._/-]+$ ]] || fail "the repository takes HOST/NAME."
[[ $tag =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$ ]] || fail "'$tag' is no tag."
[ -n "${AWS_REGION:-}" ] || fail "AWS_REGION is not set."
[ -n "${RUNNER_TEMP:-}" ] || fail "RUNNER_TEMP is not set: this runs in a workflow."
export AWS_REGION AWS_DEFAULT_REGION=$AWS_REGION

if [ -n "${AWS_ROLE_ARN:-}" ]; then
  [ -n "${ACTIONS_ID_TOKEN_REQUEST_URL:-}" ] || fail "the workflow may not ask for its identity: id-token: write."
  # The aws command exchanges this for the role's credentials itself.
  export AWS_ROLE_ARN AWS_WEB_IDENTITY_TOKEN_FILE=$RUNNER_TEMP/token
  (umask 077 && curl -fsS -m 30 -H "Authorization: bearer ${ACTIONS_ID_TOKEN_REQUEST_TOKEN:?}" \
    "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=sts.amazonaws.com" | jq -er .value >"$AWS_WEB_IDENTITY_TOKEN_FILE")
fi
# Tags cannot be changed there: one that exists was pushed by an earlier run of the same commit.
if aws ecr describe-images --repository-name "${repository#*/}" --image-ids "imageTag=$tag" >/dev/null 2>&1; then
  printf 'matrx-push: %s is there already\n' "$tag"
  exit 0
fi
DOCKER_CONFIG=$(mktemp -d "$RUNNER_TEMP/docker.XXXXXX") # the password goes with this folder
export DOCKER_CONFIG
trap 'rm -rf -- "$DOCKER_CONFIG"' EXIT
aws ecr get-login-password | docker login --username AWS --password-stdin "${repository%%/*}" >/dev/null
docker tag "$image" "$repository:$tag"
docker push -q "$repository:$tag"

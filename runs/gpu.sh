#!/bin/sh
# The whole story on one graphics card, in stages that each fit in nine minutes; docs/howto/train-on-a-gpu.md tells
# how long each is and why. Run from anywhere; `runs/gpu.sh --help` lists the stages.
set -eu
cd "$(dirname "$0")/.."

usage() {
  cat <<'END'
usage: runs/gpu.sh [--rehearse] STAGE...

Stages, in their order; each goes on where it stopped, with its optimisers' memory, and may be repeated:
  art          here    pack the art of the training world, which a machine without a network needs   (needs OUT)
  words        here    the tokeniser and the text encoder: 20 minutes of a processor, no card
  autoencoder  card    clips to latents and back                        7 minutes
  pictures     card    the transformer on single pictures               2
  clips        card    the transformer on clips, rates as they are      7
  settle       card    the transformer on clips, rates falling to the end  3
  decoder      card    decoding alone, latents as they are              2
  turbo        card    the student that needs few steps                 6
  finish       here    the networks that enlarge and put frames in between: 25 minutes of a processor
  export       here    the model's folder, for himmel generate

--rehearse    the same stages on the tiny preset, on the processor, in seconds: before a card is paid for

Variables:
  RUN      folder of the run                  (cache/papercut-gpu)
  FROM     folder of pieces to go on from     (none)
  OUT      folder for pieces to carry away, at most 16 MiB each: those of the stage's own part   (none)
  HIMMEL   how himmel is called               (.venv/bin/himmel)
  NAME     name of the exported model         (papercut)
  DEVICE   where the stages of a card run     (cuda)
  MINUTE   seconds that a minute has; of --rehearse  (0.4)
END
}

# What stands here is for the preset gpu on a card of 80 GB.
preset=gpu minute=60 device=${DEVICE:-cuda}
short_clips=64 captions=512 pictures=1x1024 clips=49x64 between=1x256 turbo_clips=32 small_clips=8 pairs=24
if [ "${1:-}" = --rehearse ]; then
  shift
  preset=tiny minute=${MINUTE:-0.4} device=cpu
  short_clips=2 captions=4 pictures=1x4 clips=17x2 between=1x4 turbo_clips=2 small_clips=2 pairs=2
fi
himmel=${HIMMEL:-.venv/bin/himmel}
run=${RUN:-cache/papercut-gpu}
# What was compiled once is found again by the next stage.
export TORCHINDUCTOR_CACHE_DIR="${TORCHINDUCTOR_CACHE_DIR:-$PWD/cache/compiled}"

# $himmel may be several words.
train() { $himmel train "$@" --preset "$preset" --run "$run"; }
minutes() { awk "BEGIN { print $1 * $minute / 60 }"; }
carry() { if [ -n "${OUT:-}" ]; then train pack "$OUT" --part "$1"; fi; }

art() { train pack "${OUT:?needs OUT, a folder for the pieces}" --part art; }
words() {
  train text --device cpu --minutes "$(minutes 20)" --captions "$captions"
  carry text
}
autoencoder() {
  train autoencoder --device "$device" --minutes "$(minutes 7)" --clips "$short_clips"
  carry autoencoder
}
transformer() {
  train transformer --device "$device" "$@"
  carry transformer
}
pictures() { transformer --minutes "$(minutes 2)" --cooldown 0 --diet "$pictures"; }
clips() { transformer --minutes "$(minutes 7)" --cooldown 0 --diet "$clips" --diet "$clips" --diet "$between"; }
settle() { transformer --minutes "$(minutes 3)" --cooldown 1 --diet "$clips"; }
decoder() {
  train autoencoder --device "$device" --minutes "$(minutes 2)" --clips "$short_clips" --cooldown 0.7 --latents stay
  carry autoencoder
}
turbo() {
  train turbo --device "$device" --minutes "$(minutes 6)" --clips "$turbo_clips"
  carry turbo
}
finish() {
  train upsampler --device cpu --minutes "$(minutes 15)" --clips "$small_clips"
  carry upsampler
  train interpolator --device cpu --minutes "$(minutes 10)" --clips "$pairs"
  carry interpolator
}
export_model() { train export "${NAME:-papercut}"; }

case "${1:---help}" in -h | --help) usage; exit 0 ;; esac
for stage; do
  case "$stage" in
    art | words | autoencoder | pictures | clips | settle | decoder | turbo | finish | export) ;;
    *) usage >&2; echo "runs/gpu.sh: there is no stage '$stage'" >&2; exit 2 ;;
  esac
done
if [ -n "${FROM:-}" ]; then $himmel train unpack "$FROM" --run "$run"; fi
for stage; do
  began=$(date +%s)
  echo "== $stage"
  case "$stage" in export) export_model ;; *) "$stage" ;; esac
  echo "== $stage took $(($(date +%s) - began)) seconds in all"
done

#!/bin/sh
# The whole story on two CPU cores, from the art to a model that answers prompts, in stages: about three hours and a
# half. The figures of the shipped weights, and the sittings that they really had, stand in docs/notebook.md.
set -eu
cd "$(dirname "$0")/.."

usage() {
  cat <<'END'
usage: runs/laptop.sh [--rehearse] [STAGE...]

Without stages all of them, one after the other. Each goes on where it stopped, with its optimisers' memory: Ctrl-C at
any time, and run it again for another sitting; a stage that is repeated trains for longer.

  art          fetch the cut-outs, once
  autoencoder  clips to latents and back                                      40 minutes
  words        the tokeniser and the text encoder                              6
  pictures     the transformer on single pictures, at a fraction of the tokens  12
  clips        the transformer on short clips, rates as they are              40
  settle       the transformer on long clips, rates falling to the end        45
  decoder      decoding alone, once the latents are settled                   10
  turbo        the student that needs few steps                               45
  finish       the networks that enlarge and put frames in between            25
  export       the model's folder, for himmel generate
  evaluate     how well it shows what prompts say, on combinations that it never saw

--rehearse    the same stages on the tiny preset, in seconds

Variables:
  RUN      folder of the run                  (cache/papercut)
  HIMMEL   how himmel is called               (.venv/bin/himmel)
  NAME     name of the exported model         (papercut)
  MINUTE   seconds that a minute has          (60; with --rehearse 0.4)
END
}

preset=laptop minute=${MINUTE:-60}
short_clips=8 captions=256 pictures=1x256 clips=13x64 long=49x16 turbo_clips=8 pairs=24
if [ "${1:-}" = --rehearse ]; then
  shift
  preset=tiny minute=${MINUTE:-0.4}
  short_clips=2 captions=4 pictures=1x4 clips=9x2 long=17x2 turbo_clips=2 pairs=2
fi
himmel=${HIMMEL:-.venv/bin/himmel}
run=${RUN:-cache/papercut}
name=${NAME:-papercut}

# $himmel may be several words.
train() { $himmel train "$@" --preset "$preset" --run "$run"; }
minutes() { awk "BEGIN { print $1 * $minute / 60 }"; }

art() { $himmel world fetch; }
autoencoder() { train autoencoder --minutes "$(minutes 40)" --clips "$short_clips"; }
words() { train text --minutes "$(minutes 6)" --captions "$captions"; }
pictures() { train transformer --minutes "$(minutes 12)" --cooldown 0 --diet "$pictures"; }
clips() {
  train transformer --minutes "$(minutes 40)" --cooldown 0 --diet "$clips" --diet "$clips" --diet "$pictures"
}
settle() { train transformer --minutes "$(minutes 45)" --cooldown 0.5 --diet "$long" --diet "$clips"; }
decoder() {
  train autoencoder --minutes "$(minutes 10)" --clips "$short_clips" --cooldown 0.7 --latents stay
}
turbo() { train turbo --minutes "$(minutes 45)" --clips "$turbo_clips"; }
finish() {
  train upsampler --minutes "$(minutes 15)" --clips "$short_clips"
  train interpolator --minutes "$(minutes 10)" --clips "$pairs"
}
export_model() { train export "$name"; }
evaluate() {
  $himmel evaluate --model "$name" --output "scores/$name"
  cp "scores/$name/scores.json" "src/himmel/weights/$name/"
}

case "${1:-}" in
  -h | --help) usage; exit 0 ;;
  "") set -- art autoencoder words pictures clips settle decoder turbo finish export evaluate ;;
esac
for stage; do
  case "$stage" in
    art | autoencoder | words | pictures | clips | settle | decoder | turbo | finish | export | evaluate) ;;
    *) usage >&2; echo "runs/laptop.sh: there is no stage '$stage'" >&2; exit 2 ;;
  esac
done
for stage; do
  began=$(date +%s)
  echo "== $stage"
  case "$stage" in export) export_model ;; *) "$stage" ;; esac
  echo "== $stage took $(($(date +%s) - began)) seconds in all"
done

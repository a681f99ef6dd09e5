#!/bin/sh
# The whole story on two CPU cores, from the art to a model that answers prompts: about three hours and a half.
# Every step keeps its state in cache/papercut; running the script again trains every part for longer.
# The figures of the shipped weights, and the sittings that they really had, stand in docs/notebook.md.
set -eu
cd "$(dirname "$0")/.."
himmel=.venv/bin/himmel
run=cache/papercut

"$himmel" world fetch
"$himmel" train autoencoder --run "$run" --minutes 40
"$himmel" train text --run "$run" --minutes 6
# Single pictures first, at a fraction of the tokens; then short clips; then long ones, to the end.
"$himmel" train transformer --run "$run" --minutes 12 --cooldown 0 --diet 1x256
"$himmel" train transformer --run "$run" --minutes 40 --cooldown 0 --diet 25x32 --diet 25x32 --diet 1x256
"$himmel" train transformer --run "$run" --minutes 45 --cooldown 0.5 --diet 49x16 --diet 25x32
# Decoding may go on learning once the latents are settled.
"$himmel" train autoencoder --run "$run" --minutes 10 --cooldown 0.7 --keep-latents
# The few-step student, and the networks that make pictures larger and put frames in between.
"$himmel" train turbo --run "$run" --minutes 45 --clips 8
"$himmel" train upsampler --run "$run" --minutes 15
"$himmel" train interpolator --run "$run" --minutes 10
"$himmel" train export papercut --run "$run"
"$himmel" evaluate
cp scores/papercut/scores.json src/himmel/weights/papercut/

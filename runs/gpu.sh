#!/bin/sh
# The whole story on one graphics card: 128×128, the full vocabulary. Run from the root of the repository, with a
# torch built for the card; each step goes on where it stopped, so it can be cut into as many sittings as there are.
set -eu
cd "$(dirname "$0")/.."
himmel=${HIMMEL:-.venv/bin/himmel}
run=${RUN:-cache/papercut-gpu}

"$himmel" train autoencoder --preset gpu --run "$run" --device cuda --minutes 8 --clips 64
"$himmel" train text --preset gpu --run "$run" --device cuda --minutes 2 --captions 1024
"$himmel" train transformer --preset gpu --run "$run" --device cuda --minutes 4 --cooldown 0 --diet 1x1024
"$himmel" train transformer --preset gpu --run "$run" --device cuda --minutes 10 --cooldown 0.4 --diet 49x96 --diet 1x1024
"$himmel" train turbo --preset gpu --run "$run" --device cuda --minutes 4 --clips 64
"$himmel" train export papercut --preset gpu --run "$run"

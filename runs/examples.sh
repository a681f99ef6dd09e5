#!/bin/sh
# Makes the moving pictures of docs/howto/making.md anew. The commands are those that stand there, but with a seed and a
# small size, shorter where the length shows nothing, and with a name for every clip; what has no picture is run all the
# same, into also/. Only the pipe to a player is left out.
set -eu
cd "$(dirname "$0")/.."
media="$PWD/docs/media"
himmel="${HIMMEL:-$PWD/.venv/bin/himmel}"
python="${PYTHON:-$PWD/.venv/bin/python}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir also
export XDG_DATA_HOME="$work/data" XDG_CONFIG_HOME="$work/config" HIMMEL_CACHE="$work/cache"  # nobody's own is touched

same="--seed 4 --size 128x128"
$himmel generate "a penguin jumps in the snow" --seconds 3 $same -o penguin.mp4
$himmel generate "a cat jumps on the beach" --seconds 3 $same -o cat.mp4
"$python" - <<'PYTHON'
from pathlib import Path
from PIL import Image
from himmel.media.scaling import crop_to
from himmel.media.video_io import read_frames, write_video
from himmel.spec import Size
frames, wide = read_frames(Path("penguin.mp4")), Size(160, 90)
for name, number in (("first", 0), ("middle", 18), ("last", -1)):
    Image.fromarray(frames[number]).save(f"{name}.png")
mask = Image.new("L", (128, 128))
mask.paste(255, (0, 0, 64, 128))
mask.save("mask.png")
cat = [crop_to(frame, wide)[None] for frame in read_frames(Path("cat.mp4"))]
write_video(Path("holiday.mov"), cat, size=wide, fps=25)  # another shape and rate, and no recipe
PYTHON
cat > shots.yaml <<'YAML'
size: 128x128
seed: 4
cards:
  - image: first.png
    for: 0.5
    prompt: a penguin jumps in the snow
  - text: a penguin jumps in the snow
    for: 2
  - text: a cat jumps on the beach [zoom in]
    for: 2
    cut: true
YAML

$himmel generate "a penguin spins in the snow" --image first.png $same -o image.mp4
$himmel generate "a penguin jumps in the snow" --image first.png --keyframe 2=middle.png --last-image last.png $same -o keyframes.mp4
$himmel extend penguin.mp4 --seconds 3 $same -o extend.mp4
$himmel extend penguin.mp4 --before --seconds 2 $same -o before.mp4
$himmel generate "a penguin jumps in the snow" --loop --seconds 3 $same -o loop.mp4
$himmel loop penguin.mp4 $same -o loop-clip.mp4
$himmel blend penguin.mp4 cat.mp4 $same -o blend.mp4
$himmel remix penguin.mp4 "a cat jumps in the snow" --strength strong $same -o remix.mp4
$himmel edit penguin.mp4 "a penguin jumps in the snow at night" --mask 0,0,50%,100% $same -o edit.mp4
$himmel storyboard shots.yaml -o storyboard.mp4
$himmel recut penguin.mp4 --in 1 --out 2 --extend-before 1 --extend-after 1 $same -o recut.mp4
$himmel generate "a penguin jumps in the snow" --preset moonlight $same -o preset.mp4
$himmel generate "[pan left] a penguin stands in the snow" $same -o camera.mp4
$himmel generate "a green elephant stands in the desert" --seconds 1 $same -o rex.mp4
$himmel character add Rex rex.mp4 --at 0.5
$himmel character list
$himmel generate "Rex jumps on the beach" $same -o character.mp4

$himmel generate "Rex stands in the snow at night, the camera zooms in" --seconds 1 $same -o also/night.mp4
$himmel extend holiday.mov "a cat jumps on the beach" --seconds 1 --seed 4 -o also/extend.mp4
$himmel blend penguin.mp4 cat.mp4 "snow melts on a beach" --overlap 2 $same -o also/blend.mp4
$himmel recut penguin.mp4 --in 0.5 --out 2.5 --lossless -o also/recut.mp4
$himmel edit penguin.mp4 "a penguin jumps in the snow at night" --mask mask.png $same -o also/edit.mp4
$himmel presets
$himmel generate "[pan left] a penguin stands in the snow" --seconds 1 --variations 4 $same -o also
$himmel generate "a fish swims under water" --seconds 2 --stream $same -o also/fish.mp4

"$python" - "$media" <<'PYTHON'
import sys
from pathlib import Path
from himmel.media.animation import write_animation
from himmel.media.recipe import read_recipe
from himmel.media.video_io import read_frames
for path in sorted(Path().glob("*.mp4")):
    if path.stem not in ("penguin", "cat", "rex"):
        write_animation(Path(sys.argv[1]) / f"making-{path.stem}.webp", [read_frames(path)], fps=read_recipe(path).fps)
PYTHON

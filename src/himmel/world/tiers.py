"""How many nouns a run is taught, by what it can compute: each tier holds the one before it and is whole by itself.

Owns: the closed lists of nouns (keys of ``nouns``). A tier has animals, people, vehicles, food, plants, buildings and
things, drawn unlike one another; heads without a body come late, variants of one figure only with everything.
Knows nothing of vocabularies (``vocabulary``), which are made of these.
"""

from __future__ import annotations

# Two CPU cores and an afternoon. The shipped model's words: their order is part of its word list.
LAPTOP_NOUNS = (
    "penguin", "cat", "elephant", "owl", "turtle", "fish", "whale", "butterfly", "duck", "horse", "pig", "bee",
    "flamingo", "dinosaur", "car", "bus", "rocket", "sailboat", "balloon", "snowman",
)  # fmt: skip

# 64 nouns: some minutes of a graphics card, or a week of two cores.
MEDIUM_NOUNS = (
    *LAPTOP_NOUNS,
    "dog", "rabbit", "giraffe", "tiger", "cow", "kangaroo", "monkey", "crocodile", "octopus", "bird", "snail", "crab",
    "man", "woman", "astronaut", "dancer", "runner", "cyclist", "firefighter", "wizard",
    "bicycle", "train", "truck", "airplane", "helicopter", "ship", "motorcycle",
    "apple", "banana", "pizza", "ice_cream", "birthday_cake",
    "tree", "flower", "sunflower", "cactus",
    "house", "castle", "tent",
    "ghost", "umbrella", "guitar", "football", "teddy_bear",
)  # fmt: skip

# 200 nouns: half an hour of a graphics card.
LARGE_NOUNS = (
    *MEDIUM_NOUNS,
    "sheep", "jellyfish", "donkey", "zebra", "deer", "camel", "hippopotamus", "llama", "gorilla", "leopard", "mouse",
    "squirrel", "hedgehog", "bat", "sloth", "swan", "peacock", "parrot", "eagle", "rooster", "lizard", "snake",
    "dragon", "tyrannosaurus", "dolphin", "shark", "seal", "squid", "lobster", "caterpillar", "ant", "ladybird",
    "spider", "lion", "bear", "fox", "panda", "frog", "unicorn",
    "boy", "girl", "cook", "farmer", "police_officer", "detective", "construction_worker", "scientist", "painter",
    "juggler", "princess", "fairy", "mermaid", "superhero", "skier", "snowboarder", "surfer", "doctor", "teacher",
    "pilot", "singer", "ninja", "pedestrian", "wheelchair_user", "santa",
    "tractor", "ambulance", "fire_engine", "police_car", "taxi", "racing_car", "tram", "scooter", "skateboard", "canoe",
    "speedboat", "bullet_train", "ufo", "parachute",
    "strawberry", "cherries", "grapes", "lemon", "watermelon", "pineapple", "carrot", "corn", "tomato", "bread",
    "cheese", "hamburger", "doughnut", "egg", "cookie", "lollipop", "coffee",
    "rose", "tulip", "fir_tree", "palm_tree", "mushroom", "maple_leaf", "potted_plant",
    "hut", "factory", "circus_tent", "ferris_wheel", "fountain", "volcano",
    "sun", "moon", "star", "cloud", "rainbow", "planet",
    "fire", "present", "pumpkin", "basketball", "kite", "crown", "top_hat", "shoe", "diamond", "alarm_clock", "candle",
    "light_bulb", "key", "book", "camera", "television", "chair", "hammer", "scissors", "heart", "robot", "trumpet",
)  # fmt: skip

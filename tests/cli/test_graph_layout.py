"""Where objects are drawn: by rank, without two in one place."""

import itertools

from mlx_cli.ui.graph_layout import GAP_Y, HEIGHT, MARGIN, WIDTH, Box, lay_out

GRAPH = {
    "flights": [],
    "weather": [],
    "pipeline": [],
    "delays": ["flights", "weather"],
    "model": ["delays", "pipeline"],
    "api": ["model"],
    "nightly": ["delays", "model"],
}


def test_each_object_stands_right_of_all_that_it_needs() -> None:
    boxes = lay_out(GRAPH).boxes
    assert [(one, id) for id, needed in GRAPH.items() for one in needed if boxes[one].x + WIDTH >= boxes[id].x] == []


def test_no_two_objects_overlap_and_all_are_within_the_drawing() -> None:
    drawing = lay_out(GRAPH)
    places = sorted((box.x, box.y) for box in drawing.boxes.values())
    assert len(set(places)) == len(GRAPH)
    assert [(one, other) for one, other in itertools.pairwise(places) if one[0] == other[0] and other[1] - one[1] < HEIGHT + GAP_Y] == []
    assert (max(x for x, _ in places) + WIDTH + MARGIN, max(y for _, y in places) + HEIGHT + MARGIN <= drawing.height) == (drawing.width, True)


def test_one_object_is_drawn_alone_and_none_is_no_drawing() -> None:
    assert lay_out({"a": ["elsewhere"]}).boxes == {"a": Box(MARGIN, MARGIN)}
    assert (lay_out({}).boxes, lay_out({}).width) == ({}, 2 * MARGIN)

"""``mlx ui``: one local page. ``snapshot`` says what it shows, ``graph_layout`` where, ``server`` hands it out; the page is plain HTML, CSS and a module."""

"""Small data sets as annotation tools write them, all of the same pictures and boxes."""

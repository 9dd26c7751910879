"""Features of flights that are computed when they are asked for: plain functions of one row's values, None where there is none."""


def plane_age(built: int | None, year: int | None) -> int | None:
    """Years since the plane was built; a year of building that lies in the future is a mistake of the register."""
    if built is None or year is None or built > year:
        return None
    return year - built

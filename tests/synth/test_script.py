"""Actors do what the name of their action says."""

from math import hypot, pi, tau

import numpy as np
import pytest

from vidskim.errors import SettingsError
from vidskim.synth.script import Actor, Background, Camera, Event, Pose, Script, Shot
from vidskim.synth.vocabulary import ACTIONS, CAMERAS, SIZES, Look

LENGTH = 5.0
LOOK = Look("star", "red", "medium")
STRAIGHT = {
    "moves left": (-1, 0),
    "moves right": (1, 0),
    "moves up": (0, -1),
    "moves down": (0, 1),
}


def poses(action: str | None, *, reach: float = 0.8, count: int = 101) -> list[Pose]:
    actor = Actor(LOOK, action, (0.1, -0.2), reach, 0.25)
    return [actor.pose(float(t), LENGTH) for t in np.linspace(0, LENGTH, count)]


def resting(path: list[Pose], *names: str) -> bool:
    return all(len({getattr(pose, name) for pose in path}) == 1 for name in names)


@pytest.mark.parametrize("action", STRAIGHT)
def test_movers_go_straight_and_steadily_through_their_home(action: str) -> None:
    path = poses(action)
    x, y = np.array([(pose.x, pose.y) for pose in path]).T
    way = np.array(STRAIGHT[action])
    steps = np.stack([np.diff(x), np.diff(y)], axis=1)
    assert np.allclose(steps, way * 0.8 / 100)
    assert (path[50].x, path[50].y) == pytest.approx((0.1, -0.2))
    assert resting(path, "radius", "angle", "opacity")


@pytest.mark.parametrize(("action", "sign"), [("spins clockwise", 1), ("spins counterclockwise", -1)])
def test_spins_turn_in_place(action: str, sign: int) -> None:
    path = poses(action, reach=0.5)
    angles = np.array([pose.angle for pose in path])
    assert (np.sign(np.diff(angles)) == sign).all()  # y points down: a growing angle is clockwise
    assert angles[-1] - angles[0] == pytest.approx(sign * tau * 0.5 * LENGTH)
    assert resting(path, "x", "y", "radius", "opacity")


@pytest.mark.parametrize(("action", "sign"), [("grows", 1), ("shrinks", -1)])
def test_sizes_change_steadily(action: str, sign: int) -> None:
    path = poses(action)
    radii = np.array([pose.radius for pose in path])
    assert (np.sign(np.diff(radii)) == sign).all()
    assert max(radii) / min(radii) == pytest.approx(2.6)
    assert min(radii) < SIZES["medium"] < max(radii)
    assert resting(path, "x", "y", "angle", "opacity")


def test_blinking_is_on_and_off_again_and_again() -> None:
    path = poses("blinks", reach=1.0, count=1001)
    seen = np.array([pose.opacity for pose in path])
    assert set(seen) == {0.0, 1.0}
    assert (np.diff(seen) < 0).sum() == 5  # goes off once a second
    assert seen.mean() == pytest.approx(0.6, abs=0.01)
    assert resting(path, "x", "y", "radius", "angle")


def test_bouncing_goes_up_and_down_on_one_ground() -> None:
    path = poses("bounces", reach=0.6, count=1001)
    y = np.array([pose.y for pose in path])
    assert resting(path, "x", "radius", "angle", "opacity")
    assert y.max() == pytest.approx(0.0)  # the ground, 0.2 below home
    assert y.min() == pytest.approx(-0.6, abs=1e-3)
    assert ((y[1:-1] > y[:-2]) & (y[1:-1] >= y[2:])).sum() == 3  # comes down every 1.25 s


def test_orbiting_goes_round_clockwise_at_one_distance() -> None:
    path = poses("orbits", reach=0.8)
    places = np.array([(pose.x - 0.1, pose.y + 0.2) for pose in path])
    assert np.hypot(*places.T) == pytest.approx(np.full(101, 0.4))
    turns = np.unwrap(np.arctan2(places[:, 1], places[:, 0]))
    assert (np.diff(turns) > 0).all()
    assert turns[-1] - turns[0] == pytest.approx(tau * 0.3 * LENGTH)
    assert resting(path, "radius", "angle", "opacity")


@pytest.mark.parametrize(
    ("action", "first", "last", "sign"), [("appears", 0, 1, 1), ("disappears", 1, 0, -1)]
)
def test_fading_ends_where_it_says(action: str, first: int, last: int, sign: int) -> None:
    path = poses(action)
    seen = np.array([pose.opacity for pose in path])
    assert (seen[0], seen[-1]) == (first, last)
    assert (sign * np.diff(seen) >= 0).all()
    assert ((seen > 0) & (seen < 1)).sum() >= 20
    assert resting(path, "x", "y", "radius", "angle")


def test_bystanders_stand() -> None:
    assert len(set(poses(None))) == 1


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_has_a_pose_of_its_own(action: str) -> None:
    path = poses(action)
    assert len(set(path)) > 1, "nothing happens"
    assert all(hypot(pose.x, pose.y) < 1 and 0 <= pose.opacity <= 1 for pose in path)


@pytest.mark.parametrize("kind", CAMERAS)
def test_cameras_move_as_they_are_called(kind: str) -> None:
    speed = (1.01, 1.0) if kind == "zoom" else (0.3, -0.1)
    shake = 0.02 if kind in ("shake", "handheld") else 0.0
    camera = Camera(kind, speed, shake=shake, phase=1.0)
    views = np.array([camera.view(float(t)) for t in np.linspace(0, 4, 81)])
    drifts = np.array([camera.drift(float(t)) for t in np.linspace(0, 4, 81)])
    assert camera.moves == (kind != "static")
    assert (np.ptp(views[:, :2], axis=0) > 0).all() == (shake > 0)
    assert np.abs(views[:, :2]).max() <= 1.5 * shake
    assert views[-1, 2] == pytest.approx(1.01**4 if kind == "zoom" else 1.0)
    assert drifts[-1] == pytest.approx((1.2, -0.4) if kind in ("pan", "handheld") else (0, 0))


def test_shots_and_events_are_half_open() -> None:
    background = Background("plain", ((0, 0, 0), (9, 9, 9)), 8.0, 0.0, 0.0, 1)
    shots = tuple(
        Shot(start, start + 4.0, background, Camera("static"), 0.0, 0.0, None) for start in (0.0, 4.0)
    )
    actor = Actor(LOOK, "grows", (0.0, 0.0), 0.0, 0.0)
    script = Script("x", shots, (Event(1.0, 3.5, actor, ("a",), False),))
    assert script.duration_s == 8.0
    assert script.events[0].length_s == 2.5
    assert [script.shots.index(script.shot_at(t)) for t in (0.0, 3.99, 4.0, 7.99, 8.0)] == [0, 0, 1, 1, 1]
    assert [script.event_at(t) is not None for t in (0.99, 1.0, 3.49, 3.5)] == [False, True, True, False]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Camera("zom"), "unknown camera 'zom'; allowed: handheld, .* Did you mean 'zoom'"),
        (lambda: Background("dot", ((0, 0, 0), (9, 9, 9)), 8.0, 0.0, 0.0, 1), "Did you mean 'dots'"),
        (lambda: Actor(Look("sta", "red", "small"), None, (0, 0), 0, pi), "unknown shape 'sta'"),
        (lambda: Actor(Look("star", "rd", "small"), None, (0, 0), 0, pi), "Did you mean 'red'"),
        (lambda: Actor(Look("star", "red", "tiny"), None, (0, 0), 0, pi), "unknown size 'tiny'"),
        (
            lambda: Actor(Look("star", "red", "small"), "move left", (0, 0), 0, pi),
            "Did you mean 'moves left'",
        ),
    ],
)
def test_unknown_names_are_errors(build: object, message: str) -> None:
    assert callable(build)
    with pytest.raises(SettingsError, match=message):
        build()

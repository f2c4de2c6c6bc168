import itertools
import math
from collections.abc import Iterator

import kornia
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import ks_2samp
from torch import Tensor, nn
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.functional import resized_crop

from unlearning_pl.data import ContrastiveViews, CropViews, JitterViews, SupervisedViews
from unlearning_pl.data.augment import color_jitter, crops, draws
from unlearning_pl.errors import InputError

ALL = [
    JitterViews(),
    ContrastiveViews(),
    ContrastiveViews(jitter=1.5, blur=True),
    SupervisedViews(),
    CropViews(),
    CropViews(min_scale=0.5, flip_p=0.0),
]


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def same(rows: int, height: int = 16, width: int = 16) -> Tensor:
    return torch.rand(1, 3, height, width).expand(rows, -1, -1, -1)


def fixed(monkeypatch: pytest.MonkeyPatch, *values: float) -> None:
    """Let the parameters be ``values``, in the order in which they are drawn."""
    drawn = iter(values)
    monkeypatch.setattr(
        draws, "uniforms", lambda images, *bounds: [torch.full((len(images),), next(drawn)) for _ in bounds]
    )


@pytest.mark.parametrize("module", ALL)
@pytest.mark.parametrize("size", [(8, 8), (32, 32), (12, 20)])
def test_rows_get_their_own_parameters_and_stay_images(module: nn.Module, size: tuple[int, int]) -> None:
    images = same(8, *size).clone().requires_grad_()
    made = module(images)
    assert made.shape == images.shape
    assert not made.requires_grad
    assert made.isfinite().all()
    assert made.min() >= 0
    assert made.max() <= 1
    assert all(not torch.equal(made[i], made[j]) for i, j in itertools.combinations(range(8), 2))


@pytest.mark.parametrize("module", ALL)
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_black_and_white_images_stay_finite(module: nn.Module, level: float) -> None:
    made = module(torch.full((16, 3, 16, 16), level))
    assert made.isfinite().all()
    assert 0 <= made.min() <= made.max() <= 1


@pytest.mark.parametrize("module", ALL)
def test_the_seed_of_torch_makes_views_come_again(module: nn.Module) -> None:
    images = same(4)
    torch.manual_seed(1)
    first, second = module(images), module(images)
    torch.manual_seed(1)
    assert torch.equal(module(images), first)
    assert not torch.equal(first, second)


@pytest.mark.gpu
@pytest.mark.parametrize("module", ALL)
def test_views_are_made_on_the_device(module: nn.Module, pytestconfig: pytest.Config) -> None:
    images = same(4).to(pytestconfig.getoption("--device"))
    torch.manual_seed(1)
    first = module(images)
    torch.manual_seed(1)
    assert first.device == images.device
    assert torch.equal(module(images), first)


@pytest.mark.parametrize(
    "module",
    [
        JitterViews(0, 0, 0, 0),
        ContrastiveViews(min_scale=1, jitter_p=0, grayscale_p=0, flip_p=0),
        SupervisedViews(padding=0, flip_p=0),
        CropViews(min_scale=1, ratio=1, flip_p=0),
    ],
)
def test_no_strength_is_no_change(module: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.rand(4, 3, 16, 16)
    monkeypatch.setattr(math, "log", lambda _: 0.0)  # a crop of the whole area still has a random aspect ratio
    torch.testing.assert_close(module(images), images, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [(16, 16), (10, 20)])
def test_jitter_turns_scales_and_moves_as_kornia_does(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.rand(2, 3, *size)
    jitter = JitterViews(noise=0)
    fixed(monkeypatch, 30.0, 1.0, 0.0, 0.0)
    turned = kornia.geometry.rotate(images, torch.tensor([30.0, 30.0]))
    torch.testing.assert_close(jitter(images), turned, atol=1e-4, rtol=0)
    fixed(monkeypatch, 0.0, 1.25, 0.0, 0.0)
    larger = kornia.geometry.scale(images, torch.tensor([1.25, 1.25]))
    torch.testing.assert_close(jitter(images), larger, atol=1e-4, rtol=0)
    fixed(monkeypatch, 0.0, 1.0, 2 / size[1], -3 / size[0])  # content from 2 to the right, 3 above
    moved = F.pad(images, (0, 2, 3, 0))[..., : size[0], 2:]
    torch.testing.assert_close(jitter(images), moved, atol=1e-4, rtol=0)


def test_jitter_keeps_to_its_strengths() -> None:
    # a spot right of the middle: where its weight lies tells the move and the turn, how much there is tells the scale
    spot = torch.zeros(2000, 3, 64, 64)
    spot[..., 30:34, 42:46] = 1
    x = torch.arange(64) - 31.5

    def places(views: JitterViews) -> tuple[Tensor, Tensor, Tensor]:
        made = views(spot)[:, 0]
        weight = made.sum(dim=(1, 2))
        return weight / 16, (made.sum(1) * x).sum(1) / weight, (made.sum(2) * x).sum(1) / weight

    area, _, _ = places(JitterViews(0, 0, 0.25, 0))
    _, across, down = places(JitterViews(0, 0.125, 0, 0))
    _, cosine, sine = places(JitterViews(40, 0, 0, 0))
    for values, (low, high) in [
        (area.sqrt(), (0.75, 1.25)),
        (across - 12, (-8, 8)),
        (down, (-8, 8)),
        (torch.atan2(sine, cosine).rad2deg(), (-40, 40)),
    ]:
        tolerance = 0.02 * (high - low)
        assert abs(values.min() - low) < tolerance
        assert abs(values.max() - high) < tolerance


def test_noise_has_its_standard_deviation() -> None:
    made = JitterViews(0, 0, 0, noise=0.1)(torch.full((64, 3, 16, 16), 0.5))
    assert abs(float(made.std()) - 0.1) < 0.002


@pytest.mark.parametrize("size", [(32, 32), (24, 36)])
def test_crops_have_the_areas_ratios_and_places_of_the_paper(size: tuple[int, int]) -> None:
    height, width = size
    # The pixel value is the position, so that a view tells where its crop lies.
    y, x = torch.meshgrid(torch.arange(height) / 64, torch.arange(width) / 64, indexing="ij")
    ramp = torch.stack([x, y, y]).expand(2000, -1, -1, -1)
    made = ContrastiveViews(min_scale=0.2, jitter_p=0, grayscale_p=0)(ramp) * 64
    middle = made[:, :, height // 4 : -height // 4, width // 4 : -width // 4]
    step_x = (middle[:, 0, 0, -1] - middle[:, 0, 0, 0]) / (middle.shape[-1] - 1)
    step_y = (middle[:, 1, -1, 0] - middle[:, 1, 0, 0]) / (middle.shape[-2] - 1)
    area, ratio = step_x.abs() * step_y, step_x.abs() * width / (step_y * height)
    assert 0.199 < area.min() < 0.22
    assert 0.9 < area.max() < 1.001
    inside = (step_x.abs() < 0.999) & (step_y < 0.999)  # the others were cut to the image
    assert 0.749 < ratio[inside].min() < 0.77
    assert 1.30 < ratio[inside].max() < 1.335
    assert abs(float((step_x < 0).float().mean()) - 0.5) < 0.05
    left = made[:, 0].amin(dim=(1, 2))
    assert left.min() < 1  # crops reach both borders
    assert made[:, 0].amax() > width - 2


def test_colour_changes_keep_to_their_strength() -> None:
    gray = torch.full((2000, 3, 4, 4), 0.5)  # only brightness changes a constant gray image
    levels = ContrastiveViews(jitter=0.4, jitter_p=0.8, grayscale_p=0)(gray)[:, 0, 0, 0]
    assert 0.299 < levels.min() < 0.31
    assert 0.69 < levels.max() < 0.701
    assert abs(float(((levels - 0.5).abs() < 1e-5).float().mean()) - 0.2) < 0.03


def test_the_hue_moves_by_a_quarter_of_the_strength() -> None:
    red = torch.tensor([0.5, 0.3, 0.3]).view(1, 3, 1, 1).expand(2000, -1, 4, 4)  # nothing is cut at this strength
    order = torch.randperm(4)
    factors = draws.uniforms(red, *color_jitter.factor_bounds(order, 0.2))
    hue = kornia.color.rgb_to_hsv(color_jitter.color_jitter(red, order, factors))[:, 0, 0, 0]
    turn = (hue + math.pi).remainder(math.tau) / math.tau - 0.5  # all other changes keep it
    assert -0.0501 < turn.min() < -0.049
    assert 0.049 < turn.max() < 0.0501


def test_recolouring_is_that_of_kornia_one_change_after_the_other() -> None:
    images = torch.rand(3, 3, 8, 8)
    jitter = kornia.augmentation.ColorJitter(0.5, 0.5, 0.5, 0.1, p=1.0, order=[2, 0, 3, 1])
    parameters = jitter.generate_parameters(images.shape)
    factors = {"saturation": 1.3, "brightness": 0.8, "hue": 0.2 / math.tau, "contrast": 0.7}
    for name, factor in factors.items():
        parameters[f"{name}_factor"] = torch.full((3,), factor)
    expected = jitter.apply_transform(images, parameters, {})
    drawn = [torch.full((3,), factor) for factor in (1.3, 0.8, 0.2, 0.7)]
    torch.testing.assert_close(color_jitter.color_jitter(images, torch.tensor([2, 0, 3, 1]), drawn), expected)


def test_hue_turns_as_in_hsv() -> None:
    images = torch.rand(64, 3, 8, 8)
    images[:16] = images[:16].round()  # corners of the cube: two channels equal, black and white
    images[16:20] = 0.5
    angle = torch.linspace(-math.pi, math.pi, 64)
    expected = kornia.enhance.adjust_hue(images, angle)
    torch.testing.assert_close(color_jitter.adjust_hue(images, angle), expected, atol=1e-5, rtol=0)


def test_grayscale_weighs_the_channels_by_their_luminance() -> None:
    images = torch.rand(4, 3, 8, 8)
    made = ContrastiveViews(1, jitter_p=0, grayscale_p=1)(images)
    assert torch.equal(made[:, 0], made[:, 1])
    torch.manual_seed(3)
    half = ContrastiveViews(jitter_p=0, grayscale_p=0.5)(same(1000, 8, 8))
    assert abs(float((half[:, 0] == half[:, 2]).all(dim=(1, 2)).float().mean()) - 0.5) < 0.05
    white = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1).expand(2, 3, 8, 8)
    red = ContrastiveViews(jitter_p=0, grayscale_p=1)(white)
    torch.testing.assert_close(red, torch.full_like(red, 0.299))


def test_half_of_the_images_are_blurred_each_by_its_own_sigma() -> None:
    point = torch.zeros(1000, 3, 32, 32)
    point[..., 16, 16] = 1
    made = color_jitter.gaussian_blur(point, *draws.uniforms(point, (0.1, 2.0)))
    torch.testing.assert_close(made.sum(dim=(2, 3)), torch.ones(1000, 3))
    peaks = made[:, 0, 16, 16]
    beside = made[:, 0, 16, 17]
    sigma = (1 / (2 * (peaks / beside).log())).sqrt()  # the ratio of a Gaussian at 0 and 1 pixel
    assert 1.95 < sigma[sigma.isfinite()].max() < 2.001
    assert sigma.nanmedian() > 0.9
    whole = ContrastiveViews(1, jitter_p=0, grayscale_p=0, flip_p=0, blur=True)
    stripes = (torch.arange(32) % 2).float().expand(1000, 3, 32, 32)
    flat = whole(stripes)[..., 8:24, 8:24].diff(dim=-1).abs().amax(dim=(1, 2, 3))
    assert 0.3 < float((flat < 0.5).float().mean()) < 0.7


def test_supervised_views_are_windows_of_the_padded_image() -> None:
    images = torch.rand(1, 3, 6, 8)
    padded = F.pad(images, (2, 2, 2, 2))[0]
    windows = torch.stack([padded[:, i : i + 6, j : j + 8] for i in range(5) for j in range(5)])
    windows = torch.cat([windows, windows.flip(-1)])
    made = SupervisedViews(padding=2)(images.expand(1000, -1, -1, -1))
    equal = (made[:, None] == windows).flatten(2).all(dim=2)
    assert (equal.sum(dim=1) == 1).all()
    assert (equal.sum(dim=0) > 5).all()  # 20 of each are expected


@pytest.mark.parametrize("scale", [0.08, 0.9])
@pytest.mark.parametrize("size", [(1000, 1000), (600, 1200), (300, 1500)])
def test_boxes_are_those_of_torchvision(scale: float, size: tuple[int, int]) -> None:
    height, width = size
    theirs = torch.tensor(
        [RandomResizedCrop.get_params(torch.empty(1, *size), [scale, 1.0], [3 / 4, 4 / 3])[2:] for _ in range(2000)]
    ) / torch.tensor([height, width])
    images = torch.empty(2000, 1, 1, 1).expand(-1, -1, *size)
    drawn = crops.first_box(images, crops.draw_boxes(images), scale, 4 / 3)
    ours = torch.stack(drawn[::-1], dim=1)  # torchvision's order is height, width
    for side in (0, 1):  # theirs are whole pixels
        assert ks_2samp((ours[:, side] * size[side]).round(), (theirs[:, side] * size[side]).round()).pvalue > 1e-3
    assert ks_2samp(ours.prod(dim=1), theirs.prod(dim=1)).statistic < 0.06
    assert ours.max() <= 1
    whole = [float((boxes == 1).all(dim=1).float().mean()) for boxes in (ours, theirs)]
    assert abs(whole[0] - whole[1]) < 0.05


def test_a_box_is_enlarged_as_torchvision_does(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.rand(2, 3, 16, 24)
    monkeypatch.setattr(crops, "first_box", lambda *_: (torch.full((2,), 0.5), torch.full((2,), 0.25)))
    # The box is 12 wide and 4 high; x from -1 to 1 is its place from left to right.
    for place, (top, left), coin in [
        ((-1.0, -1.0), (0, 0), 0.9),
        ((1.0, 0.0), (6, 12), 0.9),
        ((0.0, 1.0), (12, 6), 0.1),
    ]:
        fixed(monkeypatch, *place, coin)
        made = CropViews()(images)
        expected = resized_crop(images, top, left, 4, 12, [16, 24])
        expected = expected.flip(-1) if coin < 0.5 else expected
        # torchvision knows nothing of the pixels beside the box; ours are read there within half a pixel of its border
        torch.testing.assert_close(made[..., 2:-2, 1:-1], expected[..., 2:-2, 1:-1], atol=1e-5, rtol=0)


def test_crops_without_a_flip_are_never_mirrored() -> None:
    ramp = torch.linspace(0, 1, 32).expand(200, 3, 32, 32)
    assert (CropViews(min_scale=0.9, flip_p=0.0)(ramp).diff(dim=-1) >= 0).all()
    mirrored = (CropViews()(ramp).diff(dim=-1) <= 1e-6).all(dim=(1, 2, 3)).float().mean()
    assert abs(float(mirrored) - 0.5) < 0.15


def test_a_policy_says_what_it_does() -> None:
    assert repr(CropViews(0.9, flip_p=0.0)) == "CropViews(min_scale=0.9, ratio=1.33333, flip_p=0)"
    assert repr(SupervisedViews()) == "SupervisedViews(padding=4, flip_p=0.5)"


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (JitterViews, {"degrees": -1}, r"views.degrees >= 0, got -1\."),
        (JitterViews, {"translate": -0.1}, r"views.translate >= 0"),
        (JitterViews, {"scale": 1}, r"views.scale from 0 to 0.99, got 1\."),
        (JitterViews, {"noise": float("nan")}, r"views.noise >= 0, got nan\."),
        (ContrastiveViews, {"min_scale": 0}, r"views.min_scale from 0.001 to 1, got 0\."),
        (ContrastiveViews, {"jitter": -0.4}, r"views.jitter from 0 to 2"),
        (ContrastiveViews, {"jitter_p": 1.1}, r"views.jitter_p from 0 to 1"),
        (ContrastiveViews, {"grayscale_p": -1}, r"views.grayscale_p"),
        (ContrastiveViews, {"flip_p": 2}, r"views.flip_p"),
        (SupervisedViews, {"padding": -1}, r"views.padding >= 0"),
        (SupervisedViews, {"flip_p": -0.5}, r"views.flip_p"),
        (CropViews, {"min_scale": 1.1}, r"views.min_scale from 0.001 to 1, got 1.1\."),
        (CropViews, {"ratio": 0.75}, r"views.ratio >= 1, got 0.75\."),
        (CropViews, {"flip_p": -0.5}, r"views.flip_p"),
    ],
)
def test_strengths_out_of_range_are_refused(kind: type[nn.Module], arguments: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        kind(**arguments)

"""The one line that a mistake in a command gets, with the nearest name."""

from pathlib import Path

import pytest
from tiny_commands import SHORT, SIMCLR, TINY, command, error

pytestmark = pytest.mark.usefixtures("_in_an_empty_folder")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--forget.ids [nobody]", "nobody"),
        ("--forget.classes [cat]", "cat"),
        ("--forget.fraction 1.5", "got 1.5"),
        ("--forget.count 48", "48"),
        ("--forget.count 0", "got 0"),
        ("--forget.file missing.txt", "missing.txt"),
        ("", "Expected a forget request, got none"),
        ("--forget.count 8 --method AlignmentCalibration --method.alpha -1", "alpha >= 0, got -1"),
        ("--forget.count 8 --method AlignmentCalibraton", "AlignmentCalibraton"),
        ("--forget.count 8 --method SSD --plugins+=CoUn", "a method that takes steps with CoUn, got SSD"),
        ("--forget.count 8 --model.temperature abc", "abc"),
        ("--forget.count 8 --data.batch_size 0", "batch_size"),
        ("--forget.count 8 --data.source.train_size 40", "fingerprint"),
        ("--forget.count 8 --model.backbone resnet18", "with other names: "),
        ("--forget.ids 99999", "99999"),
        ("--forget.count 8 --data.validation 0.3", "data.validation = 0.0"),
        ("--forget.count 8 --method PlugIn", "Expected a method, got the base class PlugIn"),
        ("--forget.count 8 --method GradientPenalty", "Train the original with --data.validation 0.1"),
        ("--forget.count 8 --method HeldOutCalibration", "Train the original with --data.validation 0.1"),
        ("--forget.count 8 --trainer.max_epochs 0", "max_epochs"),
        ("--forget.count 8 --optimizer.lr -1", "-1"),
        ("--forget.count 8 --trainer.compile true --method GradientPenalty", "trainer.compile = false"),
    ],
)
def test_a_mistake_in_unlearn_gets_one_line(
    words: str, message: str, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = command(f"unlearn --original {made}/original --run {tmp_path}/run {SHORT} {words}")
    assert message in error(capsys, code)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("unlearn --original nowhere --forget.count 8", "nowhere"),
        ("unlearn --forget.count 8", "original"),
        (f"fit {SIMCLR} --data.train_on retain", "Expected a forget request"),
        (f"fit {SIMCLR} --model.backbone resnet19", "resnet19"),
        (f"fit {SIMCLR} --model.momentum 0.9", "momentum"),
        (f"fit --config missing.yaml {SIMCLR}", "missing.yaml"),
        (f"fit {SIMCLR} --ckpt_path missing.ckpt", "missing.ckpt"),
        (f"fit {SIMCLR} --data.source Parquet --data.source.train no --data.source.test no", "no"),
        ("audit --model nowhere", "nowhere"),
        ("audit --model x --devices -3", "devices"),
        ("audit --model x --accelerator abacus", "as accelerator, got abacus. Choose one of them."),
        ("audit --model x --relearning -1", "Expected relearning >= 0 epochs, got -1"),
        ("audit --model x --retain_relearning -1", "Expected retain_relearning >= 0 epochs, got -1"),
        ("audit --model x --gradient_attack perhaps", "gradient_attack"),
        ("audit", "model"),
        ("test --run nowhere", "nowhere"),
        ("unleran --original x", "Did you mean unlearn?"),
        (f"predict {SIMCLR}", "Expected --run RUN"),
        (f"fit {SIMCLR} --model.backbone vit_tiny", "8x8 pixels"),
        (f"fit --model Classifier --model.backbone resnet9_slim --model.num_classes 3 {TINY}", "num_classes >= 10"),
        (f"fit {SIMCLR} --trainer.devices 0", "devices"),
        (f"fit {SIMCLR} --trainer.strategy foo", "foo"),
        (f"fit {SIMCLR} --run /proc/nowhere", "/proc/nowhere"),
        (f"fit {SIMCLR} --overwrite --ckpt_path auto", "got both"),
        (f"fit {SIMCLR} --trainer.max_steps 0", "trainer.max_steps above 0, got 1 and 0"),
        (f"fit {SIMCLR} --seed_everything 4294967296", "seed_everything from 0 to 4294967295, got 4294967296"),
        (f"fit {SIMCLR} --trainer.accumulate_grad_batches 0", "accumulate_grad_batches >= 1, got 0"),
        (f"fit {SIMCLR} --trainer.limit_train_batches 0", "limit_train_batches above 0, got 0"),
        (f"fit {SIMCLR} --data.validation 0.2 --trainer.val_check_interval 9", "interval from 1 to 2,"),
    ],
)
def test_a_mistake_gets_one_line(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in error(capsys, command(words))
    assert not Path("runs").exists()


def test_a_file_that_is_no_checkpoint_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.ckpt").write_text("not weights")
    assert "which is a text file" in error(capsys, command(f"fit {SIMCLR} --ckpt_path {tmp_path}/a.ckpt"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--method FineTun", "Expected a class for method, got FineTun. Did you mean FineTune?"),
        ("--method SCRUB --method.foo 3", "Expected an option of SCRUB in method, got foo. It has max_epochs, gamma,"),
        (
            "--method GradientPenalty --method.score los",
            "Expected loss or similarity as method.score, got los. Did you",
        ),
        ("--method GradientPenalty --method.target x", "Expected a number or held_out as method.target, got x."),
        ("--method SalUn --method.share half", "Expected a number as method.share, got half."),
        ("--data.batch_size x", "Expected a whole number as data.batch_size, got x. Correct the value."),
        ("--trainer.max_epochs many", "Expected a whole number as trainer.max_epochs, got many."),
        ("--schedule cosin", "as schedule, got cosin. Did you mean cosine?"),
        ("--trainer.precision bf16-mixd", "as trainer.precision, got bf16-mixd. Did you mean bf16-mixed?"),
        ("--plugins CoUn", "Write --plugins+=NAME, once for each."),
        ("--method neg_grad", "Did you mean NegGrad?"),
        ("--method Nope", "Choose from AlignmentCalibration,"),
        ("--method SimCLR", "Expected a class for method, got SimCLR. Choose from"),
        ("--method my_package.NegGrd", "(No module named 'my_package'). Did you mean NegGrad?"),
        ("--method unlearning_pl.methods.NegGrd", "Did you mean NegGrad?"),
        (
            "--config method.yaml",
            "Expected a class for method, got unlearning_pl.methods.FineTun. Did you mean FineTune?",
        ),
        ("--plugins+=CoUnn", "Expected a class for plugins, got CoUnn. Did you mean CoUn?"),
        ("--model SimCRL", "Did you mean SimCLR?"),
        ("--model torch.nn.Linear", "Expected a class for model, got torch.nn.Linear. Choose from BYOL,"),
        ("--data.source Digts", "Did you mean Digits?"),
        ("--data.views JiterViews", "Did you mean JitterViews?"),
        ("--optimizer SDG", "Did you mean SGD"),
        ("--optimizer torch.optim.Adm", "Did you mean Adam"),
        ("--optimizr.lr 3", "an option of unlearning-pl unlearn, got --optimizr.lr. Did you mean --optimizer.lr?"),
        ("--optimizr.lr=3", "got --optimizr.lr. Did you mean --optimizer.lr?"),
        ("--optimizer.lrr 3", "Expected an option of SGD in optimizer, got lrr. Did you mean lr?"),
        ("--trainer.max_epoch 3", "got --trainer.max_epoch. Did you mean --trainer.max_epochs?"),
        ("--fraction 0.1", "Did you mean --forget.fraction?"),
        ("--bogus 1", "got --bogus. Run unlearning-pl unlearn --help for a list."),
        ("extra", "got extra."),
        ("--method AlignmentCalibration --method.betta 3", "an option of AlignmentCalibration in method, got betta. "),
        ("--method AlignmentCalibration --method.init_args.betta 3", "got betta. Did you mean beta?"),
        ("--method NegGrad --method.beta 3", "an option of NegGrad in method, got beta. It has none."),
        ("--method.beta 3", "Expected --method NAME before its options, got method.beta alone. Choose from Align"),
        ("--plugins+=CoUn --plugins.weightt 3", "Did you mean weight?"),
        ("--config option.yaml", "an option of AlignmentCalibration in method, got betta. Did you mean beta?"),
        ("--config key.yaml", "got trainer.max_epoch. Did you mean trainer.max_epochs?"),
        ("--config optimizer.yaml", "got optimizr.class_path. Did you mean optimizer.class_path?"),
    ],
)
def test_near_misses_are_named(words: str, message: str, made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("method.yaml").write_text("method: {class_path: unlearning_pl.methods.FineTun}")
    Path("option.yaml").write_text("method: {class_path: AlignmentCalibration, init_args: {betta: 3}}")
    Path("key.yaml").write_text("trainer: {max_epoch: 3}")
    Path("optimizer.yaml").write_text("optimizr: {class_path: torch.optim.SGD}")
    code = command(f"unlearn --original {made}/original --run run --forget.count 8 {SHORT} {words}")
    assert message in error(capsys, code)
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("audit --modl x", "Expected an option of unlearning-pl audit, got --modl. Did you mean --model?"),
        ("audit --config key.yaml", "got modl. Did you mean model?"),
        ("audit --model x --view 3", "Did you mean --views?"),
        ("demo --sed 3", "Did you mean --seed?"),
        ("benchmrk x", "Did you mean benchmark?"),
        ("--nope", "Choose from audit, benchmark, configs,"),
        ("fit --modl SimCLR", "Did you mean --model?"),
    ],
)
def test_near_misses_of_every_command_are_named(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("key.yaml").write_text("modl: x")
    assert message in error(capsys, command(words))

from types import SimpleNamespace

import torch

from srlab.training.callbacks import Progress


def test_run_ends_with_a_line_of_its_steps_and_scores(capsys):
    trainer = SimpleNamespace(
        max_steps=5,
        global_step=2,
        callback_metrics={
            "val/psnr": torch.tensor(24.123),
            "val/psnr_bicubic": torch.tensor(23.5),
            "val/ssim": torch.tensor(0.8),
            "val/psnr_foreground": torch.tensor(torch.nan),
        },
    )
    shown = Progress()
    shown.on_train_start(trainer, None)
    for _ in range(3):
        shown.on_train_batch_end(trainer)
    shown.on_validation_end(trainer, None)
    shown.on_train_end(trainer, None)
    text = capsys.readouterr().err
    assert text.startswith("training: 100% 5/5 ")
    assert text.endswith("psnr=24.12 (bicubic 23.5), ssim=0.8]\n")
    assert "\r" not in text

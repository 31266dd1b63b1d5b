"""A trial of two processes inside a sweep: both train the same settings, and both end."""

import json

import pytest
from optuna.trial import TrialState

TASK = """
import hydra, json, os, pathlib, sys, torch
from hydra.core.hydra_config import HydraConfig
from lightning.pytorch import LightningModule, Trainer
from torch.utils.data import DataLoader, TensorDataset
from lightsweep.sweeping.pruning import PruningCallback


class Line(LightningModule):
    def __init__(self, lr):
        super().__init__()
        self.lr, self.layer = lr, torch.nn.Linear(1, 1)

    def training_step(self, batch, _):
        return (self.layer(batch[0]) ** 2).mean()

    def validation_step(self, batch, _):
        self.log("value", torch.tensor(float(self.current_epoch + self.lr)), sync_dist=True)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr)


@hydra.main(config_path="conf", config_name="config", version_base="1.3")
def main(cfg):
    loader = DataLoader(TensorDataset(torch.ones(8, 1)), batch_size=2)
    callback = PruningCallback("value")
    trainer = Trainer(max_epochs=4, accelerator="cpu", devices=2, strategy="ddp", logger=False,
                      enable_checkpointing=False, enable_progress_bar=False, callbacks=[callback])
    trainer.fit(Line(cfg.x), loader, loader)
    seen = {"x": cfg.x, "pid": os.getpid(), "epochs": trainer.current_epoch, "pruned": callback.pruned}
    folder = pathlib.Path(HydraConfig.get().runtime.output_dir)
    (folder / f"rank{trainer.global_rank}.json").write_text(json.dumps(seen))
    callback.raise_if_pruned()
    return cfg.x


if __name__ == "__main__":
    main()
"""


@pytest.mark.slow
def test_ddp_trials_train_one_set_of_parameters_and_end(app, study_of):
    (app.folder / "app.py").write_text(TASK)
    app.fresh_sweep("x=interval(0.01,0.1)", "hydra.sweeper.n_trials=2", "hydra/sweeper/pruner=threshold",
              "hydra.sweeper.pruner.upper=1.5", "hydra.sweeper.max_failure_rate=0")  # fmt: skip
    trials = study_of(app.sweep_dir).trials
    assert [trial.state for trial in trials] == [TrialState.PRUNED] * 2
    for trial in trials:
        ranks = [json.loads((app.sweep_dir / str(trial.number) / f"rank{rank}.json").read_text()) for rank in (0, 1)]
        assert [rank["x"] for rank in ranks] == [trial.params["x"]] * 2
        assert [(rank["epochs"], rank["pruned"]) for rank in ranks] == [(3, True)] * 2
        assert ranks[0]["pid"] != ranks[1]["pid"]

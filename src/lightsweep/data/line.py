"""A straight line with noise, made on the spot."""

from typing import Any

import torch

from lightsweep.data.datamodule import ArrayDataModule, NoTestSet
from lightsweep.data.spec import Arrays, DataSpec
from lightsweep.errors import ConfigError


class Line(ArrayDataModule):
    """y = θ₀ + θ₁x + ε, with x even over [-1, 1] and ε normal.

    Args:
        theta: θ₀ and θ₁.
        noise: standard deviation of ε.
        num_examples: examples for training and validation together.
        test_size: examples of the test set; 0 for none.
        data_seed: seed of x and ε.
        options: see `ArrayDataModule`.

    Raises:
        ConfigError: another number of θ than two.
    """

    spec = DataSpec((1,), None)

    def __init__(
        self, theta: list[float], noise: float, num_examples: int, test_size: int, data_seed: int = 0, **options: Any
    ) -> None:
        super().__init__(**options)
        if len(theta) != 2:
            raise ConfigError(f"`data.theta` must be two numbers but got {list(theta)}")
        self.theta, self.noise, self.data_seed = theta, noise, data_seed
        self.num_examples, self.test_size = num_examples, test_size

    @property
    def tests(self) -> bool:
        """Whether there are points for a test set."""
        return self.test_size > 0

    def load_train(self) -> Arrays:
        """`num_examples` points."""
        return self._make(self.num_examples, self.data_seed)

    def load_test(self) -> Arrays:
        """`test_size` further points."""
        if not self.tests:
            raise NoTestSet
        return self._make(self.test_size, self.data_seed + 1_000_003)

    def _make(self, size: int, seed: int) -> Arrays:
        generator = torch.Generator().manual_seed(seed)
        x = torch.rand(size, 1, generator=generator, dtype=torch.float64) * 2 - 1
        noise = torch.randn(size, 1, generator=generator, dtype=torch.float64) * self.noise
        return Arrays(x, self.theta[0] + self.theta[1] * x + noise)

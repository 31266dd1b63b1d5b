"""Whether a configuration is lightsweep's own: in other Hydra programs its plugins know nothing of what is composed."""

from hydra.core.config_loader import ConfigLoader

from lightsweep import paths


def is_own(loader: ConfigLoader) -> bool:
    """Whether the main configuration is lightsweep's."""
    return any(
        str(part.path).removeprefix("file://") == str(paths.conf_dir()) for part in loader.get_search_path().get_path()
    )

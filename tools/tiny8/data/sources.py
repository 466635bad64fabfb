"""Every package that the data are made from, with its version."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PYTHON_PACKAGES = {
    "resvg_py": "0.5.0",
    "fonttools": "4.68.0",
    "mlxtend": "0.25.0",
    "scikit-learn": "1.9.1",
    "pillow": "13.0.0",
    "numpy": "2.4.6",
    "scipy": "1.17.1",
    "pyarrow": "26.0.1",
    "datasets": "5.2.0",
}
PICTURE_PACKAGES = {
    "openclipart-png": "1:0.18+dfsg-19",
    "dataset-fashion-mnist": "0.0~git20200523.55506a9-1",
}
_ICONS = {
    "fluent-emoji-flat": "1.2.6",
    "game-icons": "1.2.4",
    "mdi": "1.2.3",
    "tabler": "1.2.41",
    "material-symbols": "1.2.98",
    "fluent": "1.2.60",
    "ph": "1.2.2",
    "carbon": "1.2.29",
    "healthicons": "1.2.13",
    "solar": "1.2.13",
    "lucide": "1.2.137",
    "fa6-solid": "1.2.4",
    "maki": "1.2.5",
    "temaki": "1.2.6",
    "medical-icon": "1.2.0",
    "map": "1.2.2",
    "icon-park": "1.2.4",
    "flat-color-icons": "1.2.3",
    "fluent-color": "1.2.21",
    "meteocons": "1.2.4",
    "marketeq": "1.2.2",
    "streamline-color": "1.2.2",
    "streamline-flex-color": "1.2.2",
    "streamline-plump-color": "1.2.2",
    "streamline-ultimate-color": "1.2.2",
    "streamline-kameleon-color": "1.2.2",
    "streamline-stickies-color": "1.2.2",
    "streamline-freehand-color": "1.2.2",
    "streamline-cyber-color": "1.2.2",
}
NPM_PACKAGES = {
    "emoji-datasource-google": "16.0.0",
    "emoji-datasource-twitter": "16.0.0",
    "openmoji": "17.0.0",
} | {f"@iconify-json/{name}": version for name, version in _ICONS.items()}


def font_packages() -> dict[str, str]:
    """The Debian packages of fonts and their versions, from ``fonts.txt`` beside this file."""
    lines = Path(__file__).with_name("fonts.txt").read_text(encoding="utf-8").splitlines()
    return {name: version for name, _, version in (line.partition(" ") for line in lines)}


@dataclass(frozen=True)
class Layout:
    """Where things are below the cache directory."""

    cache: Path

    @property
    def downloads(self) -> Path:
        """The packages as they came."""
        return self.cache / "downloads"

    @property
    def root(self) -> Path:
        """What the Debian packages hold."""
        return self.cache / "root"

    @property
    def decoded(self) -> Path:
        """Results of slow steps."""
        return self.cache / "decoded"

    @property
    def clipart(self) -> Path:
        """The pictures of Open Clip Art."""
        return self.root / "usr" / "share" / "openclipart" / "png"

    @property
    def fashion(self) -> Path:
        """The files of Fashion-MNIST."""
        return self.root / "usr" / "share" / "datasets" / "fashion-mnist"

    def npm(self, name: str) -> Path:
        """What an npm package of :data:`NPM_PACKAGES` holds."""
        return self.cache / "npm" / npm_stem(name) / "package"

    def icons(self, name: str) -> Path:
        """What an icon collection holds."""
        return self.npm(f"@iconify-json/{name}")


def npm_stem(name: str) -> str:
    """The file name, without suffix, under which npm packs a package."""
    return f"{name.removeprefix('@').replace('/', '-')}-{NPM_PACKAGES[name]}"

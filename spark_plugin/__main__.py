"""``python -m spark_plugin``."""

from spark_plugin.cli import main

if __name__ == "__main__":
    main()

"""`python -m vidskim` is `vidskim`."""

from vidskim.cli.main import main

if __name__ == "__main__":
    main()

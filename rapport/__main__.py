"""`python -m rapport` is `rapport`."""

if __name__ == "__main__":
    from rapport.cli import main  # a helping process imports this file and needs no commands

    main()

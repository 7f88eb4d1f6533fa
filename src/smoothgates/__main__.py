from smoothgates.prefork.client import hand_over

if __name__ == "__main__":  # processes that draw figures may import this file again
    hand_over()
    from smoothgates.cli import main

    main()

from smoothgates.cli import main

if __name__ == "__main__":  # processes that draw figures may import this file again
    main()

from smoothgates.cli import main

if __name__ == "__main__":  # what draws figures may import this file once more
    main()

"""Read formulas into trees and compare what they state."""
